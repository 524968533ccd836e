"""The service as a process: start, failures to start, drain and shutdown."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr

from generator_service.domain.errors import EngineError
from generator_service.engines.inspector import Inspector
from generator_service.server import running_service
from generator_service.settings import Settings
from tests.integration.service.conftest import frozen_engine
from tests.integration.service.test_readiness import fill
from tests.support.api import SECRET, Api, open_channel, token
from tests.support.patience import PATIENCE
from tests.support.processes import Program, ServiceProcess, alive, children, program, service_process
from whitebg.v1 import event_pb2, task_pb2

SERVE = [sys.executable, "-m", "generator_service", "serve"]
SERVICE_NAME = "whitebg.v1.GeneratorService"
STARTED = event_pb2.EVENT_TYPE_STARTED
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SINGLE = {"worker_slots": "1", "pool_processes": "1"}


@asynccontextmanager
async def caller(service: ServiceProcess) -> AsyncIterator[Api]:
    async with open_channel(service.target) as channel:
        yield Api(channel, "ann", token("ann"))


def ends_with(process: Program, status: int, *said: str) -> None:
    assert process.wait() == status, process.output
    for words in said:
        assert words in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize("name", ["", SERVICE_NAME])
async def test_health_needs_no_token(channel: aio.Channel, name: str) -> None:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == SERVING


async def test_on_sigterm_a_running_task_may_finish(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, **SINGLE) as service:
        async with caller(service) as api, api.watch() as watch:
            with frozen_engine(service):
                task = await api.submit()
                await watch.until_event(STARTED, task.task_id)
                service.terminate()
                service.wait_for("draining")
            ends_with(service, 0, "drained")

    with service_process(data_dir, SECRET, **SINGLE) as service:
        async with caller(service) as api:
            done = await api.get(task.task_id)
            assert (done.state, done.attempt) == (task_pb2.TASK_STATE_COMPLETED, 1)


async def test_a_task_that_outlasts_the_drain_is_given_back_and_runs_again(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, drain="PT0.2S", **SINGLE) as service:
        async with caller(service) as api, api.watch() as watch:
            with frozen_engine(service) as engine:
                task = await api.submit()
                await watch.until_event(STARTED, task.task_id)
                service.terminate()
                ends_with(service, 0)
                assert not alive(engine)

    with service_process(data_dir, SECRET, **SINGLE) as service:
        async with caller(service) as api:
            (done,) = await api.finished(task.task_id)
            assert (done.state, done.attempt) == (task_pb2.TASK_STATE_COMPLETED, 2)
            history = (await api.events()).events
    assert [event.seq for event in history] == [1, 2, 3, 4, 5]
    assert history[2].type == event_pb2.EVENT_TYPE_SNOOZED
    assert history[2].task.error.code == "worker_stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_drain_tells_watchers_and_those_who_ask_for_its_health(data_dir: Path, number: signal.Signals) -> None:
    with service_process(data_dir, SECRET, **SINGLE, drain="PT3S") as service:
        async with caller(service) as api, open_channel(service.target) as channel:
            health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
            assert (await health.read()).status == SERVING
            async with api.watch() as watch:
                service.signal(number)
                assert (await health.read()).status == NOT_SERVING
                with pytest.raises(aio.AioRpcError) as caught:
                    await watch.rest()
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        ends_with(service, 0, "drained")


async def test_a_call_may_end_during_the_drain_though_watches_have_ended(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, inline_image_kib="0", worker_slots="0") as service:
        async with caller(service) as api, api.watch() as watch:
            with closing(sqlite3.connect(data_dir / "whitebg.db", isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                submitting = asyncio.create_task(api.submit())
                async with asyncio.timeout(PATIENCE):
                    while not any(path.is_file() for path in (data_dir / "blobs").rglob("input/**/*")):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                service.terminate()
                with pytest.raises(aio.AioRpcError) as ended:
                    await watch.rest()
                assert not submitting.done()
                database.execute("ROLLBACK")
            assert (await submitting).task_id
            ends_with(service, 0, "drained")
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "open the watch again with its last cursor" in str(ended.value.details())


async def test_the_end_of_standard_input_drains(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, exit_on_stdin_eof="1", **SINGLE) as service:
        service.close_stdin()
        ends_with(service, 0, "drained")


async def test_an_open_standard_input_does_not_disturb_the_end(data_dir: Path) -> None:
    """A thread waits for input while the interpreter shuts down: it must not hold a lock that this needs."""
    with service_process(data_dir, SECRET, exit_on_stdin_eof="1", **SINGLE) as service:
        service.terminate()
        ends_with(service, 0, "drained")
        assert "Fatal" not in service.output


async def test_engine_processes_do_not_outlive_a_killed_service(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, **SINGLE) as service:
        (engine,) = service.engine_pids
        handle = os.pidfd_open(engine)
        service.kill()
        # The handle of a process becomes readable when it ends.
        ended, _, _ = await asyncio.to_thread(select.select, [handle], [], [], PATIENCE)
        os.close(handle)
        assert ended


async def test_no_process_is_left_behind_if_another_kind_does_not_start(tmp_path: Path) -> None:
    before = children(os.getpid())
    settings = Settings(data_dir=tmp_path, grpc_port=0, jwt_secret=SecretStr(SECRET), worker_slots=1, pool_processes=1)

    with pytest.raises(EngineError, match="exited with code 1"):
        async with running_service(settings, Inspector(runner="no_such_module:perform")):
            raise AssertionError("it started without an inspector")

    assert children(os.getpid()) == before


async def test_one_data_folder_has_one_service(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, **SINGLE) as first:
        with program(SERVE, data_dir=str(data_dir), jwt_secret=SECRET, grpc_port="0", data_dir_wait="PT0.5S") as second:
            ends_with(second, 1, f"{data_dir} is in use by process {first.pid}", "WHITEBG_DATA_DIR")
        async with caller(first) as api:
            assert (await api.list_tasks()).total_size == 0


async def test_a_port_that_is_taken_is_named(service: ServiceProcess, data_dir: Path) -> None:
    port = str(service.port)
    with program(SERVE, data_dir=str(data_dir), jwt_secret=SECRET, grpc_port=port) as second:
        ends_with(second, 2, f"can't listen on 127.0.0.1:{port}", "WHITEBG_GRPC_PORT")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({}, "WHITEBG_JWT_SECRET is not set", id="no secret"),
        pytest.param({"jwt_secret": "tooshort"}, "WHITEBG_JWT_SECRET: must have at least 32", id="short"),
        pytest.param({"jwt_secret": SECRET, "grpc_port": "99999"}, "WHITEBG_GRPC_PORT: ", id="no port"),
        pytest.param({"jwt_secret": SECRET, "engine_order": "local,paint"}, "WHITEBG_ENGINE_ORDER", id="no engine"),
        pytest.param({"jwt_secret": SECRET, "engine_order": "gemini"}, "WHITEBG_ENGINE_ORDER", id="no engine set up"),
        pytest.param({"jwt_secret": SECRET, "log_level": "loud"}, "WHITEBG_LOG_LEVEL", id="no log level"),
    ],
)
def test_a_setting_that_can_not_be_is_named(data_dir: Path, settings: dict[str, str], said: str) -> None:
    with program(SERVE, **{"data_dir": str(data_dir), "grpc_port": "0"} | settings) as process:
        ends_with(process, 2, said)
        assert "tooshort" not in process.output


def test_a_data_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with program(SERVE, data_dir=str(file / "data"), jwt_secret=SECRET, grpc_port="0") as process:
        ends_with(process, 2, str(file / "data"))


def test_a_disk_that_is_full_before_the_first_start_is_named(small_disk: Path) -> None:
    fill(small_disk / "ballast")
    with program(SERVE, data_dir=str(small_disk / "data"), jwt_secret=SECRET, grpc_port="0") as process:
        ends_with(process, 2, f"{small_disk / 'data'} can't be ", "No space left on device", "WHITEBG_DATA_DIR")


def test_a_database_of_another_program_is_named(data_dir: Path) -> None:
    data_dir.mkdir(exist_ok=True)
    with sqlite3.connect(data_dir / "whitebg.db") as database:
        database.execute("CREATE TABLE tasks (id)")
    database.close()
    with program(SERVE, data_dir=str(data_dir), jwt_secret=SECRET, grpc_port="0") as process:
        ends_with(process, 2, "table tasks already exists", "choose another WHITEBG_DATA_DIR")


def test_a_misspelt_setting_is_reported_and_another_process_setting_is_not(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, task_timout="300", http_port="8000", **SINGLE) as service:
        assert (
            "WHITEBG_TASK_TIMOUT is not a setting and is ignored; did you mean WHITEBG_TASK_TIMEOUT?" in service.output
        )
        assert "HTTP_PORT" not in service.output


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"these are not the pages of a database " * 200)


def _torn(path: Path) -> None:
    """Keep the first page of a database, and overwrite all others."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.executemany("INSERT INTO alembic_version VALUES (?)", [("x" * 500,)] * 100)
    database.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


@pytest.mark.parametrize("damage", [_not_a_database, _torn])
def test_a_damaged_database_is_named(data_dir: Path, damage: Callable[[Path], None]) -> None:
    data_dir.mkdir(exist_ok=True)
    damage(data_dir / "whitebg.db")
    with program(SERVE, data_dir=str(data_dir), jwt_secret=SECRET, grpc_port="0") as process:
        ends_with(process, 2, f"the database {data_dir / 'whitebg.db'} can't be used", "restore a backup")


def test_what_an_ordinary_service_does_without_is_not_imported() -> None:
    """Importing any of these takes longer than most of the start-up."""
    unneeded = {"google.genai", "redis", "psycopg", "botocore", "cv2"}
    script = f"import sys, generator_service.command_line; print(sorted({unneeded!r} & sys.modules.keys()))"
    with program([sys.executable, "-P", "-c", script]) as process:
        assert process.wait() == 0, process.output
        assert process.output == "[]"
