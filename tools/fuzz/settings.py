"""Settings: any value of any ``WHITEBG_*`` variable starts a process, or ends it with one error that names it.

`problems_of_reading` tries a value within this process, as it takes no time; `problems_of_starting` starts a real one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, seed
from hypothesis import strategies as st
from pydantic import ValidationError

from generator_service.settings import Settings as ServiceSettings
from tests.support.processes import environment, free_port
from tools.fuzz.cases import generated_only
from tools.fuzz.values import texts
from whitebg_process.settings import PREFIX, ProcessSettings, describe
from ws_gateway.settings import Settings as GatewaySettings

_SECRET = "s" * 48
_SETTINGS: Mapping[str, type[ProcessSettings]] = {"service": ServiceSettings, "gateway": GatewaySettings}
_COMMANDS = {"service": ["generator_service", "serve"], "gateway": ["ws_gateway"]}
_LOG_LINE = re.compile(r"\{|[EIW]\d{4} ")
"""Beginnings of lines of the processes' own log and of gRPC's."""
_STARTED = 100
"""Of so many cases, one is also tried with a real process, which takes seconds."""
START_SECONDS = 120.0
"""After this time a process that neither ended nor started is reported as hanging."""


@dataclass(frozen=True, slots=True)
class SettingsCase:
    """One variable of one process, and its value."""

    process: str
    """``service`` or ``gateway``."""
    variable: str
    value: str


def _variables(declared: type[ProcessSettings]) -> Sequence[str]:
    """Return the variables of a process, and those of files that hold its secrets."""
    names = [f"{PREFIX}{name.upper()}" for name in declared.model_fields]
    secrets = [name for name, field in declared.model_fields.items() if "SecretStr" in str(field.annotation)]
    return [*names, *(f"{PREFIX}{name.upper()}_FILE" for name in secrets)]


_values = st.sampled_from(
    (
        *("0", "-1", "1", "1.5", "65536", "99999999999999999999", "1e400", "NaN", "inf", "-0", "0x10", "٣", "1_000"),
        *("30s", "PT5M", "P1Y", "-5m", "999999999d", "P99999999999D", "24 h", "1,5s", "PT", "P"),
        *("true", "maybe", "null", "[]", "{}", '["a"]', "none", "NONE"),
        *("http://", "http://[", "https://a:b@c", "https://a.example:99999", "javascript:alert(1)", "//x", "::1"),
        *("[::1]:1", "redis://", "redis://h:x", "rediss://:p@h:1/x", "postgresql://", "postgresql://u@h:x/d"),
        *("mysql://h/d", "sqlite://"),
        *(
            "/dev/null",
            "/proc/self/mem",
            "/",
            "",
            " ",
            ",",
            ",,",
            "a,,b",
            "/nonexistent/file",
            "10.0.0.0/99",
            "10.0.0.1/8",
            "no.such.host.invalid",
            "é" * 70,
        ),
        *("gemini,gemini", "local", "RS256,none", "HS256", "groups=", "=x", "openid", "profile", "local,quantum"),
    )
)


def settings_cases() -> st.SearchStrategy[SettingsCase]:
    """Return any value of any variable of either process."""
    usable = (_values | texts).filter(lambda text: "\0" not in text and text.isascii() | text.isprintable())
    known = [(process, name) for process, declared in _SETTINGS.items() for name in _variables(declared)]
    return st.builds(lambda chosen, value: SettingsCase(chosen[0], chosen[1], value), st.sampled_from(known), usable)


def problems_of_reading(case: SettingsCase) -> Sequence[str]:
    """Return the faults of reading the settings: not exactly one error, or one that does not name the variable.

    An exception other than the one that the processes report is raised.
    """
    declared = _SETTINGS[case.process]
    with _environment(case):
        try:
            declared()
        except ValidationError as error:
            return _faults(case, describe(error, declared))
    return ()


def problems_of_starting(case: SettingsCase) -> Sequence[str]:
    """Start the process with its standard input closed, at which it stops once it serves; return the faults."""
    with tempfile.TemporaryDirectory(prefix="whitebg-settings-") as folder:
        command = [sys.executable, "-P", "-m", *_COMMANDS[case.process]]
        variables = environment(
            jwt_secret=_SECRET,
            data_dir=str(Path(folder) / "data"),
            grpc_port="0" if case.process == "service" else str(free_port()),
            http_port="0",
            worker_slots="0",
            inspector_processes="1",
            drain_timeout="1",
            exit_on_stdin_eof="true",
        )
        try:
            done = subprocess.run(
                command,
                env=_with(variables, case),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [f"{case}: neither started nor ended within {START_SECONDS:.0f} s"]
    output = done.stdout + done.stderr
    if "Traceback" in output:
        return [f"{case}: a traceback: {output[-1000:]}"]
    if done.returncode == 0:
        return ()
    errors = [line for line in done.stderr.splitlines() if line and not _LOG_LINE.match(line)]
    return _faults(case, errors)


def fuzz_settings(count: int, number: int) -> int:
    """Read ``count`` cases chosen by the seed ``number``, and start a process with some; return how many faults."""
    faults: list[str] = []
    tried = 0

    @seed(number)
    @generated_only(count)
    @given(settings_cases())
    def attempt(case: SettingsCase) -> None:
        nonlocal tried
        tried += 1
        found = problems_of_reading(case) or (problems_of_starting(case) if tried % _STARTED == 0 else ())
        faults.extend(found)
        for fault in found:
            print(fault, file=sys.stderr, flush=True)

    attempt()
    print(f"settings, seed {number}: {tried} cases, {len(faults)} findings", flush=True)
    return len(faults)


def _faults(case: SettingsCase, errors: Sequence[str]) -> Sequence[str]:
    if len(errors) != 1:
        return [f"{case}: {len(errors)} errors instead of one: {errors}"]
    if case.variable not in errors[0] and case.variable.removesuffix("_FILE") not in errors[0]:
        return [f"{case}: the error does not name the variable: {errors[0]}"]
    return ()


def _with(variables: Mapping[str, str], case: SettingsCase) -> dict[str, str]:
    """Return the variables with that of a case; a secret is not set beside its file."""
    kept = dict(variables)
    if case.variable.endswith("_FILE"):
        kept.pop(case.variable.removesuffix("_FILE"), None)
    return kept | {case.variable: case.value}


@contextmanager
def _environment(case: SettingsCase) -> Iterator[None]:
    """Let this process's environment hold nothing but what is required, and the case."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(_with(environment(jwt_secret=_SECRET), case))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
