"""Settings as users write them: durations, secrets in files, misspelt names, and errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from generator_service.domain.task_options import Engine
from generator_service.settings import Settings as ServiceSettings
from whitebg.cli.app import app
from whitebg_process.durations import parse_duration
from whitebg_process.known_settings import known_settings, unknown_settings
from whitebg_process.settings import ProcessSettings, SettingInEffect, describe, in_effect
from ws_gateway.settings import Settings as GatewaySettings

SECRET = "s" * 48
BOTH: tuple[type[ProcessSettings], ...] = (ServiceSettings, GatewaySettings)
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("WHITEBG_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("300", 300), ("1.5", 1.5), ("0", 0), ("30s", 30), ("5m", 300), ("24h", 86_400), ("30d", 2_592_000)),
        *(("24 h", 86_400), (" 5M ", 300), ("1.5h", 5400)),
        *(("PT5M", 300), ("pt0.2s", 0.2), ("PT0,2S", 0.2), ("P1DT12H", 129_600), ("P2W", 1_209_600), ("PT20S", 20)),
    ],
)
def test_durations_are_read_in_every_form(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "-5", "5 parsecs", "1e3", "nan", "inf", "P", "PT", "P1M", "1:30", "5m30s", "\u0665", "9" * 40 + "d"],
)
def test_anything_else_is_no_duration_and_the_error_shows_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write seconds \(300\), 30s, 5m, 24h, 30d"):
        parse_duration(text)


@given(st.text(max_size=30))
def test_reading_a_duration_never_fails_in_another_way(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert duration >= timedelta(0)


def _durations() -> Iterator[tuple[type[ProcessSettings], str]]:
    for settings in BOTH:
        for name, field in settings.model_fields.items():
            if isinstance(field.default, timedelta):
                yield settings, name


@pytest.mark.parametrize(("settings", "name"), [*_durations()])
@pytest.mark.parametrize("text", ["300", "300s", "5m", "PT5M"])
def test_every_duration_setting_takes_every_form(
    settings: type[ProcessSettings], name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv("WHITEBG_LEASE", "1h")  # It must be longer than a heartbeat.
    monkeypatch.setenv(f"WHITEBG_{name.upper()}", text)
    assert getattr(settings(), name) == timedelta(minutes=5)


@pytest.mark.parametrize(("settings", "name"), [*_durations()])
def test_no_duration_is_longer_than_the_calendar_allows(
    settings: type[ProcessSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv(f"WHITEBG_{name.upper()}", "999999999d")
    with pytest.raises(ValidationError) as caught:
        settings()
    (line,) = describe(caught.value, settings)
    assert line.startswith(f"WHITEBG_{name.upper()}: ")


WITHOUT_EFFECT_AT_ZERO = {
    "data_dir_wait", "drain", "drain_timeout", "engine_fallback_after", "events_for", "retry_base", "retry_cap",
}  # fmt: skip
"""Durations of which none at all is a sensible choice."""


@pytest.mark.parametrize(("settings", "name"), [*_durations()])
def test_durations_that_nothing_could_work_with_are_rejected(
    settings: type[ProcessSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv(f"WHITEBG_{name.upper()}", "0")
    if name in WITHOUT_EFFECT_AT_ZERO:
        assert getattr(settings(), name) == timedelta(0)
        return
    with pytest.raises(ValidationError) as caught:
        settings()
    assert describe(caught.value, settings)[0].startswith(f"WHITEBG_{name.upper()}: 0s can't be used")


def _numbers() -> Iterator[tuple[type[ProcessSettings], str]]:
    for settings in BOTH:
        for name, field in settings.model_fields.items():
            if field.annotation is not bool and (field.annotation is int or "int" in str(field.annotation)):
                yield settings, name


@pytest.mark.parametrize(("settings", "name"), [*_numbers()])
def test_no_number_is_larger_than_databases_and_systems_take(
    settings: type[ProcessSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv(f"WHITEBG_{name.upper()}", str(2**63))
    with pytest.raises(ValidationError) as caught:
        settings()
    assert describe(caught.value, settings)[0].startswith(f"WHITEBG_{name.upper()}: ")


@pytest.mark.parametrize("text", ["", " "])
@pytest.mark.parametrize("settings", BOTH)
def test_an_empty_value_has_no_effect_of_its_own(
    settings: type[ProcessSettings], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty host would listen everywhere, an empty folder be the current one, an empty key break its engine."""
    for name in settings.model_fields:
        with monkeypatch.context() as environment:
            environment.setenv("WHITEBG_JWT_SECRET", SECRET)
            default = settings()
            environment.setenv(f"WHITEBG_{name.upper()}", text)
            try:
                chosen = settings()
            except ValidationError as error:
                (line,) = describe(error, settings)
                assert line.startswith(f"WHITEBG_{name.upper()}"), line
            else:
                assert str(getattr(chosen, name)).strip() == str(getattr(default, name)), name


def test_a_lease_outlasts_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_LEASE", "5s")
    monkeypatch.setenv("WHITEBG_HEARTBEAT", "5s")
    with pytest.raises(ValidationError) as caught:
        ServiceSettings()
    (line,) = describe(caught.value, ServiceSettings)
    assert line.startswith("WHITEBG_HEARTBEAT (5 s) must be shorter than WHITEBG_LEASE (5 s)")


@pytest.mark.parametrize("settings", BOTH)
def test_an_address_of_the_bucket_with_a_space_is_rejected(
    settings: type[ProcessSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv("WHITEBG_S3_BUCKET", "images")
    monkeypatch.setenv("WHITEBG_S3_PUBLIC_URL", "https://s3.example.com/ images")
    with pytest.raises(ValidationError, match=r"must be https://"):
        settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "img.example.com"),
        ("PUBLIC_URL", "https://img.example.com/a b"),
        ("PUBLIC_URL", "https://img.example.com?a=1"),
        ("JWKS_URL", "keys.example.com"),
        ("GRPC_TARGET", "http://127.0.0.1:50051"),
    ],
)
def test_an_address_that_could_not_be_followed_is_rejected(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv(f"WHITEBG_{name}", value)
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()  # type: ignore[call-arg]  # the environment has the secret
    (problem,) = describe(caught.value, GatewaySettings)
    assert re.match(rf"WHITEBG_{name}: (must be https://|'http://127.0.0.1:50051' is no target)", problem)


@pytest.mark.parametrize(
    ("settings", "title"), [(ServiceSettings, "Service and workers"), (GatewaySettings, "Gateway")]
)
def test_documented_defaults_are_the_defaults_as_written(
    settings: type[ProcessSettings], title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    written = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    assert len(written) > 15
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv("WHITEBG_S3_BUCKET", "images")
    default = settings()
    for name, value in written.items():
        monkeypatch.setenv(f"WHITEBG_{name}", value)
    read = settings()
    for name in written:
        assert getattr(read, name.lower()) == getattr(default, name.lower()), name


def test_each_process_knows_the_names_of_all() -> None:
    expected = {"WHITEBG_TOKEN"}
    for settings in BOTH:
        for name, field in settings.model_fields.items():
            expected.add(f"WHITEBG_{name.upper()}")
            if "SecretStr" in str(field.annotation):
                expected.add(f"WHITEBG_{name.upper()}_FILE")
    assert known_settings() == expected


def test_the_command_lines_variables_are_known() -> None:
    command = typer.main.get_command(app)
    commands = [command, *getattr(command, "commands", {}).values()]
    variables = {str(parameter.envvar) for each in commands for parameter in each.params if parameter.envvar}
    assert "WHITEBG_TOKEN" in variables
    assert variables <= known_settings()


def test_a_misspelt_name_is_reported_with_the_nearest_one() -> None:
    known = ["PATH", "WHITEBG_HTTP_PORT", "WHITEBG_TOKEN", "whitebg_data_dir", "WHITEBG_JWT_SECRET_FILE"]
    assert list(unknown_settings([*known, "WHITEBG_TASK_TIMOUT", "WHITEBG_XYZZY"])) == [
        "WHITEBG_TASK_TIMOUT is not a setting and is ignored; did you mean WHITEBG_TASK_TIMEOUT?",
        "WHITEBG_XYZZY is not a setting and is ignored",
    ]


def _secrets() -> Iterator[tuple[type[ProcessSettings], str]]:
    for settings in BOTH:
        for name, field in settings.model_fields.items():
            if "SecretStr" in str(field.annotation):
                yield settings, name


VALUES = {"database_url": "postgresql://u:p@host/db", "redis_url": "redis://:p@host:6379"}


@pytest.mark.parametrize(("settings", "name"), [*_secrets()])
def test_every_secret_may_come_from_a_file(
    settings: type[ProcessSettings], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for needed in ("S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"WHITEBG_{needed}", "images")
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    variable, value = f"WHITEBG_{name.upper()}", VALUES.get(name, "f" * 40)
    monkeypatch.delenv(variable, raising=False)
    (tmp_path / "secret").write_text(f"{value}\n")
    (tmp_path / "secret").chmod(0o400)
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))
    secret = getattr(settings(), name)
    assert isinstance(secret, SecretStr)
    assert secret.get_secret_value() == value
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=f"{variable} and {variable}_FILE are both set"):
        settings()


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"s" * 48, 0o620, "others than its owner can write .*chmod 600"),
        (b"s" * 48, 0o602, "others than its owner can write .*chmod 600"),
        (b" \n", 0o600, "is empty"),
        (b"\xff" * 48, 0o600, "is not UTF-8"),
        (b"s" * 70_000, 0o600, "is larger than"),
        (None, 0o600, "can't be read: No such file"),
    ],
)
def test_a_secrets_file_that_cannot_be_trusted_is_rejected(
    content: bytes | None, mode: int, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    monkeypatch.setenv("WHITEBG_JWT_SECRET_FILE", str(path))
    for settings in BOTH:
        with pytest.raises(ValidationError, match=f"WHITEBG_JWT_SECRET_FILE: .*{problem}"):
            settings()


def test_a_secrets_file_that_is_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(path := tmp_path / "pipe", 0o600)
    monkeypatch.setenv("WHITEBG_JWT_SECRET_FILE", str(path))
    for settings in BOTH:
        with pytest.raises(ValidationError, match=r"WHITEBG_JWT_SECRET_FILE: .*pipe is empty"):
            settings()
    reader, writer = os.pipe()  # As of a shell's <(…).
    os.write(writer, SECRET.encode())
    os.close(writer)
    monkeypatch.setenv("WHITEBG_JWT_SECRET_FILE", f"/dev/fd/{reader}")
    secret = ServiceSettings().jwt_secret
    os.close(reader)
    assert secret is not None
    assert secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("name", "value", "described"),
    [
        ("TASK_TIMEOUT", "soon", "WHITEBG_TASK_TIMEOUT: 'soon' is not a duration; write seconds"),
        ("GRPC_PORT", "70000", "WHITEBG_GRPC_PORT: '70000' can't be used: Input should be less than or equal to 65535"),
        ("GEMINI_API_KEY_FILE", "/nowhere", "WHITEBG_GEMINI_API_KEY_FILE: /nowhere can't be read: No such file"),
        ("DATABASE_URL", "mysql://me:hush@host", "WHITEBG_DATABASE_URL: must begin with postgresql://"),
    ],
)
def test_errors_name_variable_and_value_but_no_secret(
    name: str, value: str, described: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WHITEBG_{name}", value)
    with pytest.raises(ValidationError) as caught:
        ServiceSettings()
    (text,) = describe(caught.value, ServiceSettings)
    assert text.startswith(described)
    assert "hush" not in text


@pytest.mark.parametrize(("value", "said"), [("30", "deleted 30 s after they end"), ("30d", None)])
def test_a_retention_of_seconds_is_pointed_out(value: str, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_TASKS_FOR", value)
    cautions = ServiceSettings().cautions
    assert not cautions if said is None else said in cautions[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example"])
def test_guests_are_let_in_on_an_address_of_this_machine_only(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def gateway() -> GatewaySettings:
        return GatewaySettings()  # type: ignore[call-arg]  # the environment has the secret

    monkeypatch.setenv("WHITEBG_JWT_SECRET", "s" * 32)
    monkeypatch.setenv("WHITEBG_GUEST_LOGIN", "true")
    for own in ("127.0.0.1", "::1", "localhost"):
        monkeypatch.setenv("WHITEBG_HTTP_HOST", own)
        assert gateway().guest_login
    monkeypatch.setenv("WHITEBG_HTTP_HOST", host)
    with pytest.raises(ValidationError, match=f"WHITEBG_HTTP_HOST is {host}, which other machines reach"):
        gateway()


def test_the_old_names_of_the_network_still_count_and_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_REMBG_MODEL", "u2net")
    monkeypatch.setenv("WHITEBG_REMBG_WEIGHTS", "/weights/u2net.onnx")
    monkeypatch.setenv("WHITEBG_ENGINE_ORDER", "rembg,local")
    settings = ServiceSettings()
    assert (settings.network, settings.network_weights) == ("u2net", Path("/weights/u2net.onnx"))
    assert settings.engine_order == (Engine.NEURAL, Engine.LOCAL)
    assert settings.cautions == (
        "WHITEBG_REMBG_MODEL is deprecated and will be removed; use WHITEBG_NEURAL_MODEL",
        "WHITEBG_REMBG_WEIGHTS is deprecated and will be removed; use WHITEBG_NEURAL_WEIGHTS",
    )
    monkeypatch.setenv("WHITEBG_NEURAL_MODEL", "u2net")
    with pytest.raises(ValidationError, match="WHITEBG_NEURAL_MODEL and WHITEBG_REMBG_MODEL are both set"):
        ServiceSettings()


def test_weights_need_the_name_of_their_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_NEURAL_WEIGHTS", "/weights/u2net.onnx")
    with pytest.raises(ValidationError, match="set WHITEBG_NEURAL_MODEL too"):
        ServiceSettings()


@pytest.mark.parametrize("mirror", ["mirror.example.com", "file:///models", "https://"])
def test_a_mirror_is_an_address(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_MODELS_MIRROR", mirror)
    with pytest.raises(ValidationError, match="must be https"):
        ServiceSettings()


def test_settings_in_effect_show_changes_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    monkeypatch.setenv("WHITEBG_LEASE", "1m")
    monkeypatch.setenv("WHITEBG_ENGINE_ORDER", "local,gemini")
    found = {each.name: each for each in in_effect(ServiceSettings())}
    assert found["WHITEBG_JWT_SECRET"] == SettingInEffect("WHITEBG_JWT_SECRET", "(secret)", changed=True)
    assert found["WHITEBG_LEASE"] == SettingInEffect("WHITEBG_LEASE", "60", changed=True)
    assert found["WHITEBG_ENGINE_ORDER"] == SettingInEffect("WHITEBG_ENGINE_ORDER", "local,gemini", changed=True)
    assert found["WHITEBG_HEARTBEAT"] == SettingInEffect("WHITEBG_HEARTBEAT", "5", changed=False)
    assert found["WHITEBG_S3_BUCKET"] == SettingInEffect("WHITEBG_S3_BUCKET", "", changed=False)
    assert found["WHITEBG_TRACING"].value == "false"


def test_a_missing_secret_is_asked_for_with_both_ways_to_set_it() -> None:
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()  # type: ignore[call-arg]  # that is the test
    assert list(describe(caught.value, GatewaySettings)) == [
        "WHITEBG_JWT_SECRET is not set; set it, or name a file in WHITEBG_JWT_SECRET_FILE"
    ]
