"""Every process ends in bounded time after a request to stop, in any state."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from generator_service.data_dir import data_dir_lock
from generator_service.image_store import MARKER_KEY
from tests.support.api import SECRET
from tests.support.mute import mute_server
from tests.support.patience import eventually
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import Program, ServiceProcess, WorkerProcess, alive, program, service_process
from whitebg_process.stopping import CLOSING_SECONDS

COMMANDS = ["serve", "worker"]
SINGLE = {"jwt_secret": SECRET, "grpc_port": "0", "worker_slots": "1", "pool_processes": "1"}
SHORT_DRAIN = {"drain": "PT0.5S"}
BOUNDED = CLOSING_SECONDS + 20
"""Seconds; far less than an unavailable database delayed the exit without a bound."""


def argv(command: str) -> list[str]:
    return [sys.executable, "-m", "generator_service", command]


def unresponsive_images(data_dir: Path) -> None:
    """Let reads of the image store's marker wait for ever, as on a share that does not respond."""
    marker = data_dir / "blobs" / MARKER_KEY
    marker.parent.mkdir(parents=True)
    os.mkfifo(marker)


def has_open(pid: int, file: Path) -> bool:
    return any(os.path.realpath(opened) == str(file) for opened in Path(f"/proc/{pid}/fd").iterdir())


async def ends_with_its_children(process: Program, children: list[int]) -> None:
    assert process.wait(BOUNDED) == 0, process.output
    await eventually(lambda: not any(alive(child) for child in children))
    assert "Traceback" not in process.output


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_start_stops_while_the_database_does_not_answer(data_dir: Path, command: str) -> None:
    with mute_server() as server:
        url = f"postgresql://ann:secret@127.0.0.1:{server.port}/whitebg"
        with program(argv(command), **SINGLE, data_dir=str(data_dir), database_url=url) as process:
            assert server.connected.wait(BOUNDED), process.output
            process.terminate()
            await ends_with_its_children(process, [])


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_start_stops_while_another_process_migrates(
    data_dir: Path, postgres: PostgresServer, command: str
) -> None:
    url = postgres.url(postgres.create())
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(20260108)")
        with program(argv(command), **SINGLE, data_dir=str(data_dir), database_url=url) as process:
            process.wait_for("waiting for another process that makes or migrates the tables")
            process.terminate()
            await ends_with_its_children(process, [])
        other.rollback()
        assert other.execute("SELECT to_regclass('tasks')").fetchone() == (None,)


async def test_a_start_stops_while_another_service_holds_the_data_folder(data_dir: Path) -> None:
    with service_process(data_dir, SECRET, **SHORT_DRAIN) as first:
        # The second one has no event of its own: the lock's file is open from then on.
        with program(argv("serve"), **SINGLE, data_dir=str(data_dir), data_dir_wait="PT1H") as second:
            await eventually(lambda: has_open(second.pid, data_dir / "service.lock"))
            second.terminate()
            await ends_with_its_children(second, [])
        assert alive(first.pid)


async def test_a_stopped_start_leaves_the_data_folder_free(data_dir: Path) -> None:
    unresponsive_images(data_dir)
    with program(argv("serve"), **SINGLE, data_dir=str(data_dir)) as process:
        await eventually(lambda: len(process.children) == 3)
        children = process.children
        process.terminate()
        await ends_with_its_children(process, children)
    async with data_dir_lock(data_dir, timedelta(0)):
        pass


async def test_a_service_stops_while_its_image_folder_does_not_answer(data_dir: Path) -> None:
    unresponsive_images(data_dir)
    with service_process(data_dir, SECRET, **SHORT_DRAIN) as service:
        children = service.children
        service.terminate()
        await ends_with_its_children(service, children)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("frozen", [False, True])
async def test_a_process_stops_while_the_database_is_unavailable(data_dir: Path, command: str, *, frozen: bool) -> None:
    with postgres_server() as server:
        chosen = {"worker_slots": "1", "pool_processes": "1", **SHORT_DRAIN}
        process: Program = (
            WorkerProcess(data_dir, server.url(), **chosen)
            if command == "worker"
            else ServiceProcess(data_dir, SECRET, database_url=server.url(), **chosen)
        )
        try:
            children = process.children
            servers = [server.process.pid, *server.process.children]
            if frozen:
                for pid in servers:
                    os.kill(pid, signal.SIGSTOP)
            else:
                server.kill()
            process.terminate()
            await ends_with_its_children(process, children)
        finally:
            process.close()
