"""Backoff, restarts, names and tokens: the parts that need no service."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import jwt
import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from generator_service.store.contract import Retention
from whitebg.cli import ports
from whitebg.cli.batch import Outcome
from whitebg.cli.connection import ConnectionOptions, resolve
from whitebg.cli.datadir import DataDir, Endpoints
from whitebg.cli.display import LineReporter, print_summary
from whitebg.cli.output import SafeConsole, to_json
from whitebg.cli.photo_arguments import NoPhotos, expand
from whitebg.cli.problems import Problem, file_problem
from whitebg.cli.restart import RestartPolicy, RestartState
from whitebg.cli.saving import OutputNames
from whitebg.cli.up import UpSettings, commands
from whitebg.convert.queue import stats_from_proto
from whitebg.convert.tasks import task_from_proto
from whitebg.models import BreakerState, CircuitBreaker, EventType, NotReadyReason, WaitReason
from whitebg.tls import ClientTls
from whitebg.tokens import mint, minting
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.durations import parse_duration
from whitebg_process.loopback import is_loopback
from whitebg_process.token_lifetime import MAX_TOKEN_LIFETIME
from ws_gateway.settings import Settings

NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)
SECRET = "s" * 48


def test_restarts_double_up_to_the_cap_and_end() -> None:
    policy, state = RestartPolicy(), RestartState()
    delays = []
    for _ in range(5):
        state, delay = state.after_death(policy, lived=0.5)
        delays.append(delay)
    assert delays == [0.2, 0.4, 0.8, 1.6, None]


def test_a_long_life_makes_up_for_quick_deaths() -> None:
    policy, state = RestartPolicy(), RestartState()
    for _ in range(4):
        state, _ = state.after_death(policy, lived=0.5)
    state, delay = state.after_death(policy, lived=60.0)
    assert (state.quick_deaths, delay) == (1, 0.2)


def test_arguments_become_photos_each_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", "[1].png"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    arguments = ["notes.txt", "", "*.png", "[1].png", "empty", "gone.png", "*.gif"]
    found = list(expand(str(tmp_path / argument) for argument in arguments))
    photos = [each.name for each in found if isinstance(each, Path)]
    assert photos == ["notes.txt", "[1].png", "a.png", "b.JPG"]
    problems = [str(each) for each in found if isinstance(each, NoPhotos)]
    assert [problem.split(" (")[0] for problem in problems] == [
        "no photos in this folder",
        "no such file",
        "nothing matches this pattern",
    ]


def test_argument_that_is_no_ordinary_file_is_called_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    problems = [str(each) for each in expand([str(tmp_path / "fifo.png"), "/dev/zero", "-"])]
    assert [problem.split(";")[0] for problem in problems] == [
        *["this is no ordinary file"] * 2,
        "standard input is not read",
    ]


def test_names_are_taken_and_numbered(tmp_path: Path) -> None:
    taken = [OutputNames(tmp_path, force=False).reserve("cup", "image/jpeg").name for _ in range(3)]
    assert taken == ["cup-white.jpg", "cup-white-2.jpg", "cup-white-3.jpg"]


def test_force_frees_names_of_earlier_runs_only(tmp_path: Path) -> None:
    for _ in range(2):
        names = OutputNames(tmp_path, force=True)
        with ThreadPoolExecutor(8) as pool:
            given = list(pool.map(partial(names.reserve, content_type="image/jpeg"), ["cup", "CUP"] * 8))
        assert len({path.name.casefold() for path in given}) == 16
        assert "cup-white.jpg" in {path.name.lower() for path in given}


@pytest.mark.parametrize("stem", ["x" * 300, "\u8309" * 100])
def test_a_long_name_is_shortened_to_what_a_file_system_takes(tmp_path: Path, stem: str) -> None:
    names = OutputNames(tmp_path, force=False)
    first, second = names.reserve(stem, "image/png"), names.reserve(stem, "image/png")
    assert first != second
    assert 250 < len(os.fsencode(first.name)) <= 255


def test_control_characters_of_a_server_reach_neither_terminal_nor_file_name(tmp_path: Path) -> None:
    hostile = "a\x1b[31m\x1b]0;title\x07\x9b2J\x7f\u202egnp.exe\u2066\tb"
    for terminal in (True, False):
        stream = io.StringIO()
        screen = SafeConsole(file=stream, force_terminal=terminal, width=200)
        table = Table()
        table.add_row(Text(hostile), Panel(Text(hostile)))
        screen.print(table)
        screen.print(Text(hostile, style="red"), soft_wrap=True)
        shown = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        assert not set(shown) & set("\x1b\x07\x7f\x9b\u202e\u2066")
        assert "gnp.exe" in shown
    path = OutputNames(tmp_path, force=False).reserve(hostile.replace("\t", ""), "image/png")
    assert path.name == "a[31m]0;title2Jgnp.exeb-white.png"


def test_a_file_name_stays_in_its_line() -> None:
    hostile = "cup\nerror: disk full\t\x1b[31m\u2028.png"
    shown = r"cup\nerror: disk full\t\x1b[31m\u2028.png"
    stream = io.StringIO()
    screen = SafeConsole(file=stream, width=200)
    lines = LineReporter(screen)
    lines.begin([hostile])
    lines.uploading(0)
    lines.finished(0, Outcome(photo=hostile, problem=file_problem(OSError(2, "no such file", hostile))))
    print_summary(screen, [Outcome(photo=hostile, problem="failed"), Outcome(photo=hostile, saved=Path(hostile))])
    Problem(f"the folder {hostile} can't be made").show(screen)
    assert stream.getvalue().count(shown) == 8
    assert all("cup" in line for line in stream.getvalue().splitlines() if "disk full" in line)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_survives_every_encoding(encoding: str) -> None:
    value = {"name": 'caf\u00e9 \u8336 \U0001f45f \x1b[31m\x9b\u202e \udce9 \\ "'}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    line = to_json(value, stream)
    assert json.loads(line.encode(encoding).decode(encoding)) == value
    assert not set(line) & set("\x1b\x9b\u202e")
    assert ("\u8336" in line) == (encoding == "utf-8")


def test_an_argument_that_cannot_be_looked_at_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    found = list(expand(["x" * 5000, "~nobody-of-this-name/a.png", str(tmp_path / "a.png")]))
    assert [isinstance(each, NoPhotos) for each in found] == [True, True, False]
    assert "too long" in str(found[0])


def test_a_token_says_who_and_what() -> None:
    token = mint(SECRET, user="ann", scopes=("tasks", "service"), lifetime=timedelta(hours=1), now=datetime.now(UTC))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="whitebg")
    assert (claims["sub"], claims["scope"]) == ("ann", "tasks service")


@pytest.mark.parametrize(
    ("user", "scopes", "hours"), [("", ("tasks",), 1), ("ann", ("root",), 1), ("ann", (), 1), ("ann", ("tasks",), 0)]
)
def test_a_token_that_makes_no_sense_is_refused(user: str, scopes: tuple[str, ...], hours: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mint(SECRET, user=user, scopes=scopes, lifetime=timedelta(hours=hours), now=NOW)


def test_a_minted_token_is_kept_until_shortly_before_its_end() -> None:
    now = NOW
    current = minting(SECRET, user="ann", scopes=("tasks",), lifetime=timedelta(hours=1), clock=lambda: now)
    first = current()
    now = NOW + timedelta(minutes=54)
    assert current() == first
    now = NOW + timedelta(minutes=55)
    second = current()
    assert second != first
    now = NOW - timedelta(hours=1)
    assert current() not in {first, second}, "the clock was set back: the last token would be kept for an hour too long"


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "data")
    folder.create()
    secret = folder.ensure_secret()
    assert len(bytes.fromhex(secret)) == 32
    assert folder.ensure_secret() == secret
    assert stat.S_IMODE(folder.secret_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_connection_is_found_in_the_data_folder(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    folder.create()
    with pytest.raises(Problem, match="no service found"):
        resolve(ConnectionOptions(data_dir=tmp_path))
    with pytest.raises(Problem, match="no token"):
        resolve(ConnectionOptions(data_dir=tmp_path, target="far:1"))
    folder.ensure_secret()
    with folder.published(Endpoints("127.0.0.1:7", "http://x", 1)):
        found = resolve(ConnectionOptions(data_dir=tmp_path))
        assert found.target == "127.0.0.1:7"
        assert callable(found.token)
        assert resolve(ConnectionOptions(data_dir=tmp_path, target="far:1", token="t")).target == "far:1"
    assert folder.endpoints() is None


@pytest.mark.parametrize(
    ("target", "stays"),
    [
        *(("127.0.0.1:50051", True), ("127.8.8.8:1", True), ("[::1]:50051", True), ("localhost:50051", True)),
        *(("unix:/run/whitebg.sock", True), ("dns:///localhost:1", True), ("ipv4:127.0.0.1:1", True)),
        *(("0.0.0.0:1", True), ("192.0.2.7:50051", False), ("[2001:db8::7]:50051", False)),
        *(("example.org:50051", False), ("127.0.0.1.example.org:1", False), ("localhost.example.org:1", False)),
        *(("dns:///example.org:1", False), ("dns://127.0.0.1/example.org:1", False)),
        *(("ipv4:127.0.0.1:1,192.0.2.7:1", False), ("", False)),
    ],
)
def test_a_token_of_the_local_secret_never_leaves_in_plain_text(tmp_path: Path, target: str, stays: bool) -> None:
    assert ports.stays_here(target) == stays
    folder = DataDir(tmp_path / "data")
    folder.create()
    folder.ensure_secret()
    if stays:
        assert callable(resolve(ConnectionOptions(target=target, data_dir=folder.path)).token)
    elif target:
        with pytest.raises(Problem, match="in plain text") as caught:
            resolve(ConnectionOptions(target=target, data_dir=folder.path))
        assert "--tls" in caught.value.advice
    if target:
        assert callable(resolve(ConnectionOptions(target=target, data_dir=folder.path, tls=ClientTls())).token)
        assert resolve(ConnectionOptions(target=target, data_dir=folder.path, token="t")).token == "t"


def test_an_address_of_this_machine_is_no_network() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.1", 9))
        assert ports.stays_here(f"{probe.getsockname()[0]}:50051")


def test_what_was_open_to_others_in_an_existing_folder_is_closed(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    folder.logs.mkdir()
    (folder.logs / "service.log").touch()
    folder.secret_path.write_text("s" * 64)
    for path in (folder.logs, folder.logs / "service.log", folder.secret_path):
        path.chmod(0o755)
    folder.create()
    assert folder.secret() == "s" * 64
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.logs, folder.logs / "service.log")] == [0o700, 0o600]
    assert stat.S_IMODE(folder.secret_path.stat().st_mode) == 0o600
    with folder.published(Endpoints("127.0.0.1:7", "http://x", 1)), folder.locked():
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_file()}
    assert modes == {"jwt-secret": 0o600, "endpoints.json": 0o600, "up.lock": 0o600}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_secret_that_others_can_write_is_rejected(tmp_path: Path, mode: int) -> None:
    folder = DataDir(tmp_path)
    folder.secret_path.write_text("s" * 64)
    folder.secret_path.chmod(mode)
    with pytest.raises(Problem, match="others than its owner can write"):
        folder.secret()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_secret_of_another_user_is_rejected(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    folder.secret_path.write_text("s" * 64)
    folder.secret_path.chmod(0o600)
    os.chown(folder.secret_path, 65534, 65534)
    with pytest.raises(Problem, match="belongs to user 65534"):
        folder.secret()


def test_a_folder_in_which_everybody_can_replace_the_secret_is_rejected(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "data")
    folder.path.mkdir()
    folder.path.chmod(0o777)
    with pytest.raises(Problem, match="other users can replace files") as caught:
        folder.create()
    assert "chmod o-w" in caught.value.advice
    folder.path.chmod(0o1777)  # A folder like /tmp, where only the owner can replace a file.
    folder.create()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"grpc_target": "x"}'])
def test_endpoints_that_make_no_sense_are_none(tmp_path: Path, text: str) -> None:
    DataDir(tmp_path).endpoints_path.write_text(text)
    assert DataDir(tmp_path).endpoints() is None


def test_free_ports_differ_and_loopback_is_known() -> None:
    first, second = ports.choose([("HTTP", "127.0.0.1", 0), ("GRPC", "127.0.0.1", 0)])
    assert first != second
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert ports.reachable("0.0.0.0", 5) == "127.0.0.1:5"
    assert ports.reachable("::", 5) == "[::1]:5"


def test_a_port_in_use_is_reported_with_an_address_that_can_be_copied() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem) as caught:
            ports.choose([("GRPC", "::1", port)])
    assert caught.value.message.startswith(f"[::1]:{port} can't be used")


def test_a_snoozed_task_shows_until_when_it_waits() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    task = task_from_proto(task_pb2.Task(task_id=1, stage="waiting for Gemini's quota"))
    assert task.activity == "waiting for Gemini's quota"
    waiting = replace(task, wait_reason=WaitReason.RATE_LIMITED, run_at=now)
    assert waiting.activity == f"waiting for Gemini's quota until {now.astimezone():%H:%M}"
    tomorrow = now + timedelta(days=2)
    assert replace(waiting, run_at=tomorrow).activity.endswith(f" until {tomorrow.astimezone():%Y-%m-%d %H:%M}")
    assert replace(waiting, stage="queued").activity == "queued"


def test_every_reason_to_wait_and_every_event_is_known() -> None:
    reasons = {
        task_from_proto(task_pb2.Task(wait_reason=number)).wait_reason for number in task_pb2.WaitReason.values()
    }
    assert reasons == {None, *WaitReason} - {WaitReason.UNKNOWN}
    assert len(EventType) == len(event_pb2.EventType.keys())


def test_stats_name_why_the_service_is_not_ready_and_what_tasks_wait_for() -> None:
    stats = pb.GetQueueStatsResponse(
        not_ready_reasons=[pb.NotReadyReason(code="queue_stalled", message="no attempt ended")],
        breakers=[
            pb.CircuitBreaker(
                name="engine:gemini",
                state=pb.BREAKER_STATE_OPEN,
                reason=task_pb2.WAIT_REASON_RATE_LIMITED,
                message="the quota is used up",
            ),
            pb.CircuitBreaker(name="blobs", state=99, reason=99),  # type: ignore[arg-type]  # newer than this client
        ],
    )
    stats.queue_stalled.FromSeconds(90)
    stats.breakers[0].failing_since.FromDatetime(NOW)
    stats.breakers[0].open_until.FromDatetime(NOW + timedelta(minutes=1))
    read = stats_from_proto(stats)
    assert (read.ready, read.queue_stalled) == (False, timedelta(seconds=90))
    assert read.not_ready_reasons == (NotReadyReason(code="queue_stalled", message="no attempt ended"),)
    gemini, newer = read.breakers
    assert gemini == CircuitBreaker(
        name="engine:gemini",
        state=BreakerState.OPEN,
        reason=WaitReason.RATE_LIMITED,
        message="the quota is used up",
        failing_since=NOW,
        open_until=NOW + timedelta(minutes=1),
    )
    assert (newer.state, newer.reason, newer.open_until) == (BreakerState.UNKNOWN, WaitReason.UNKNOWN, None)


def test_guests_keep_access_as_long_as_tasks_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lifetime() -> str | None:
        _, gateway = commands(UpSettings(data_dir=tmp_path), DataDir(tmp_path), SECRET)
        return gateway.environment.get("WHITEBG_GUEST_TOKEN_TTL")

    assert Settings(jwt_secret=SECRET).guest_token_ttl == Retention().tasks_for  # type: ignore[arg-type]
    assert lifetime() is None
    monkeypatch.setenv("WHITEBG_TASKS_FOR", "P90D")
    assert parse_duration(lifetime() or "") == timedelta(days=90)
    monkeypatch.setenv("WHITEBG_TASKS_FOR", "P1000D")  # Longer than any token may live.
    assert parse_duration(lifetime() or "") == MAX_TOKEN_LIFETIME
    monkeypatch.setenv("WHITEBG_TASKS_FOR", "soon")  # The service rejects it.
    assert lifetime() is None
    monkeypatch.setenv("WHITEBG_GUEST_TOKEN_TTL", "P1D")  # The gateway inherits it.
    assert lifetime() is None


def test_up_starts_where_the_environment_names_a_file_with_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "secret"
    other.write_text("o" * 48)
    monkeypatch.setenv("WHITEBG_JWT_SECRET_FILE", str(other))
    _, gateway = commands(UpSettings(data_dir=tmp_path), DataDir(tmp_path), SECRET)
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # type: ignore[call-arg]  # the environment supplies the fields
    assert settings.jwt_secret.get_secret_value() == SECRET


def test_up_runs_as_many_processes_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_METRICS_PORT", "9100")
    settings = UpSettings(data_dir=tmp_path, grpc_ports=(7001, 7002), gateways=2)
    first, second, *gateways = commands(settings, DataDir(tmp_path), SECRET)
    assert [command.name for command in (first, second, *gateways)] == ["service", "service-2", "gateway", "gateway-2"]
    assert [service.environment["WHITEBG_GRPC_PORT"] for service in (first, second)] == ["7001", "7002"]
    assert [service.environment["WHITEBG_METRICS_PORT"] for service in (first, second)] == ["9100", "9101"]
    for gateway in gateways:
        assert gateway.environment["WHITEBG_GRPC_TARGET"] == "ipv4:127.0.0.1:7001,127.0.0.1:7002"
        assert gateway.environment["WHITEBG_HTTP_SHARED_PORT"] == "true"


def test_a_certificate_is_checked_against_the_host_where_the_target_is_a_list(tmp_path: Path) -> None:
    settings = UpSettings(data_dir=tmp_path, grpc_host="localhost", grpc_ports=(7001, 7002), tls=ClientTls())
    gateway = commands(settings, DataDir(tmp_path), SECRET)[-1]
    assert gateway.environment["WHITEBG_GRPC_SERVER_NAME"] == "localhost"
