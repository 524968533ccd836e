"""Database and image store fail under the real service: work is rejected with the reason, and none is lost.

`test_readiness.py` has more on what readiness reports meanwhile.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from psycopg import sql

from tests.integration.service.test_readiness import Probe, fill
from tests.support.api import SECRET, TINY, Api, open_channel, refusal, token
from tests.support.postgres import postgres_server
from tests.support.processes import ServiceProcess, free_port, service_process
from whitebg.v1 import task_pb2

COMPLETED = task_pb2.TASK_STATE_COMPLETED


async def accepted(api: Api) -> int:
    """Return a task that is acknowledged, now that the service is ready again."""
    return (await api.submit(TINY)).task_id


async def test_a_read_only_postgres_keeps_acknowledged_work(tmp_path: Path) -> None:
    probe = Probe(free_port())
    with postgres_server() as server:

        def read_only(state: str) -> None:
            server.execute(sql.SQL(f"ALTER SYSTEM SET default_transaction_read_only = {state}"))
            server.execute(sql.SQL("SELECT pg_reload_conf()"))

        options = {"worker_slots": "1", "metrics_port": str(probe.port), "database_url": server.url()}
        with service_process(tmp_path / "data", SECRET, **options) as service:
            async with open_channel(service.target) as channel:
                api = Api(channel, "ann", token("ann"))
                before = [(await api.submit(TINY)).task_id for _ in range(5)]
                read_only("on")
                await probe.until(503, "database_unavailable")
                refused = await refusal(api.submission(TINY))
                assert (refused.code, "read-only" in refused.message) == (grpc.StatusCode.UNAVAILABLE, True)
                read_only("off")
                await probe.until(200)
                ended = await api.finished(*before, await accepted(api))
    assert {task.state for task in ended} == {COMPLETED}
    assert all(task.failures == 0 for task in ended), "an outage is no failed attempt"


async def test_a_full_disk_keeps_acknowledged_work(small_disk: Path) -> None:
    probe, ballast = Probe(free_port()), small_disk / "ballast"
    options = {"worker_slots": "1", "metrics_port": str(probe.port), "min_free_mib": "2"}
    with service_process(small_disk / "data", SECRET, **options) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            before = [(await api.submit(TINY)).task_id for _ in range(5)]
            fill(ballast)
            await probe.until(503, "disk_full")
            assert (await refusal(api.submission(TINY))).code is grpc.StatusCode.UNAVAILABLE
            ballast.unlink()
            await probe.until(200)
            ended = await api.finished(*before, await accepted(api))
    assert {task.state for task in ended} == {COMPLETED}


async def test_an_image_store_that_goes_and_comes_back(tmp_path: Path) -> None:
    """The folder is missing, as an unmounted share: tasks wait for it, and none fails for a missing photo."""
    data, probe = tmp_path / "data", Probe(free_port())
    options = {"worker_slots": "1", "metrics_port": str(probe.port), "min_free_mib": "0", "inline_image_kib": "0"}
    with service_process(data, SECRET, **options) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            before = [(await api.submit(TINY)).task_id for _ in range(5)]
            (data / "blobs").rename(tmp_path / "unmounted")
            await probe.until(503, "images_unavailable")
            refused = await refusal(api.submission(TINY))
            assert refused.code is grpc.StatusCode.UNAVAILABLE
            assert "image" in refused.message
            (tmp_path / "unmounted").rename(data / "blobs")
            await probe.until(200)
            ended = await api.finished(*before, await accepted(api))
    assert {task.state for task in ended} == {COMPLETED}
    assert all(task.failures == 0 for task in ended)


def damage(database: Path) -> None:
    """Overwrite the pages after the first with noise, as a failing disk does."""
    for name in ("-wal", "-shm"):
        database.with_name(f"{database.name}{name}").unlink(missing_ok=True)
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (database.stat().st_size - 4096))


async def test_a_corrupt_database_is_reported_and_a_restored_one_is_served(tmp_path: Path) -> None:
    """The service does not start on it, says what to do, and serves what was acknowledged once a copy is back."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    with service_process(data, SECRET, worker_slots="0") as service:
        async with open_channel(service.target) as channel:
            task = await Api(channel, "ann", token("ann")).submit(TINY)
    (database,) = data.glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(data, copy)
    damage(database)

    with pytest.raises(AssertionError, match=r"restore a backup"):
        ServiceProcess(data, SECRET, worker_slots="0").close()

    shutil.rmtree(data)
    shutil.copytree(copy, data)
    with service_process(data, SECRET, worker_slots="1") as service:
        async with open_channel(service.target) as channel:
            (ended,) = await Api(channel, "ann", token("ann")).finished(task.task_id)
    assert ended.state == COMPLETED
