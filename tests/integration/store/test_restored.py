"""Backup, loss and restore by the commands of docs/operations.md: clients of the lost log are notified and continue."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.support.api import SECRET, Api, open_channel, read_refusal, token
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ServiceProcess, program, service_process
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

RESTORED = [sys.executable, "-m", "generator_service", "restored"]


@dataclass
class Installation:
    """A service's settings, and the commands that back up and restore its database."""

    folder: Path
    settings: dict[str, str]
    back_up: Callable[[], None]
    restore: Callable[[], None]

    def service(self) -> contextlib.AbstractContextManager[ServiceProcess]:
        return service_process(self.folder, SECRET, worker_slots="0", **self.settings)

    def restored(self) -> contextlib.AbstractContextManager[Program]:
        return program(RESTORED, data_dir=str(self.folder), jwt_secret=SECRET, **self.settings)


@pytest.fixture
def sqlite(tmp_path: Path) -> Installation:
    database, backup = tmp_path / "data" / "whitebg.db", tmp_path / "backup.db"

    def back_up() -> None:
        with contextlib.closing(sqlite3.connect(database)) as source:
            source.execute("VACUUM INTO ?", (str(backup),))

    def restore() -> None:
        for name in ("whitebg.db", "whitebg.db-wal", "whitebg.db-shm"):
            database.with_name(name).unlink(missing_ok=True)
        shutil.copy(backup, database)

    return Installation(tmp_path / "data", {}, back_up, restore)


@pytest.fixture
def postgresql(postgres: PostgresServer, tmp_path: Path) -> Iterator[Installation]:
    name = postgres.create()
    url, backup = postgres.url(name), str(tmp_path / "backup")

    def run(*words: str) -> None:
        subprocess.run([postgres.tool(words[0]), *words[1:]], check=True, timeout=PATIENCE, capture_output=True)

    def restore() -> None:
        run("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url}", backup)

    yield Installation(
        tmp_path / "data",
        {"database_url": url},
        lambda: run("pg_dump", "--format=custom", f"--file={backup}", url),
        restore,
    )
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(request.param)
    return found


async def photos(channel: aio.Channel, count: int) -> list[int]:
    """Submit photos; return their ids."""
    api = Api(channel, "ann", token("ann"))
    return [(await api.submit()).task_id for _ in range(count)]


async def test_a_restored_database_is_another_log(installation: Installation) -> None:
    with installation.service() as service:
        async with open_channel(service.target) as channel:
            kept = await photos(channel, 2)
            installation.back_up()  # While it runs.
            lost = await photos(channel, 3)
            api = Api(channel, "ann", token("ann"))
            cursor = (await api.stub.ListTasks(pb.ListTasksRequest(), metadata=api.metadata)).cursor
        with installation.restored() as refused:
            assert refused.wait() == 1, "the log was renewed under the feet of a service"
            assert "stop" in refused.output
    installation.restore()
    with installation.restored() as renewed:
        assert renewed.wait() == 0, renewed.output
        assert "is now" in renewed.output

    with installation.service() as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            # As many new events as were lost: by its number alone the old cursor would be valid.
            new = await photos(channel, 3)
            async with api.watch(after=cursor) as watch:
                begins = [item.snapshot_begin for item in watch.items if item.HasField("snapshot_begin")]
                shown = [item.snapshot_task.task_id for item in watch.items if item.HasField("snapshot_task")]
            assert [begin.reason for begin in begins] == [pb.SNAPSHOT_REASON_EPOCH_CHANGED]
            assert sorted(shown) == sorted(kept + new)
            assert not set(lost) & set(new), "an id was given out twice"
            assert (await api.get(kept[0])).state == task_pb2.TASK_STATE_PENDING


async def test_a_restore_under_a_running_service_reaches_all_who_watch(installation: Installation) -> None:
    with installation.service() as service:
        async with open_channel(service.target) as channel:
            kept = await photos(channel, 2)
            installation.back_up()
            api = Api(channel, "ann", token("ann"))
            async with api.watch() as watch, api.watch(on_gap=pb.ON_GAP_FAIL) as strict:
                lost = await photos(channel, 3)
                stale = (await watch.until(lambda item: item.event.task.task_id == lost[-1])).event.cursor
                installation.restore()
                begin = (await watch.until(lambda item: item.HasField("snapshot_begin"))).snapshot_begin
                assert begin.reason == pb.SNAPSHOT_REASON_EPOCH_CHANGED
                await watch.until(lambda item: item.bookmark.caught_up)
                assert [item.snapshot_task.task_id for item in watch.items if item.HasField("snapshot_task")] == kept
                # The log is soon longer than before; no new event is missed, and no cursor of the lost log is accepted.
                new = await photos(channel, 4)
                await watch.until(lambda item: item.event.task.task_id == new[-1])
                assert [event.task.task_id for event in watch.events] == [*lost, *new]
                assert not set(lost) & set(new), "an id was given out twice"
                with pytest.raises(aio.AioRpcError) as ended:
                    await strict.rest()
                assert (read_refusal(ended.value).code, read_refusal(ended.value).reason) == (
                    grpc.StatusCode.OUT_OF_RANGE,
                    "CURSOR_GAP",
                )
            async with api.watch(after=stale) as late:
                assert late.items[0].snapshot_begin.reason == pb.SNAPSHOT_REASON_EPOCH_CHANGED


async def test_there_must_be_a_database(tmp_path: Path) -> None:
    tmp_path.joinpath("data").mkdir()
    with program(RESTORED, data_dir=str(tmp_path / "data"), jwt_secret=SECRET) as process:
        assert process.wait() == 1
        assert "restore it first" in process.output
        assert not (tmp_path / "data" / "whitebg.db").exists()
