"""Failures specific to SQLite: transactions, files, schema."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import Beat
from generator_service.store.limits import Limits
from generator_service.store.migrate import migrate
from generator_service.store.sqlite import BEGIN_TO_WRITE, _engine, open_sqlite
from tests.support.clock import SettableClock
from tests.support.patience import PATIENCE
from tests.support.store import LEASE, RESULT, Commits, StoreHarness, audit, failure, whole_snapshot


def open_desk(path: Path, clock: SettableClock | None = None) -> StoreHarness:
    """Open a database file."""
    clock, commits = clock or SettableClock(), Commits()
    store = open_sqlite(path, clock=clock, limits=Limits(), retry=RetryPolicy(), on_commit=commits)
    return StoreHarness(store, clock, commits)


async def test_what_was_acknowledged_survives_the_loss_of_the_process(tmp_path: Path) -> None:
    """The files are copied while the database is open, as a crash would leave them."""
    desk = open_desk(tmp_path / "tasks.db")
    await asyncio.gather(*(desk.add(f"user {number}") for number in range(10)))
    for task in await desk.claim(limit=4):
        await desk.store.complete(task.lease, RESULT)
    log = await audit(desk.store)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("tasks.db", "tasks.db-wal"):
        shutil.copy(tmp_path / name, left / name)
    await desk.store.close()

    again = open_desk(left / "tasks.db")
    assert await audit(again.store) == log
    await again.store.close()


async def test_the_pragmas_that_durability_rests_on(tmp_path: Path) -> None:
    desk = open_desk(tmp_path / "tasks.db")
    for engine in (desk.store._writing, desk.store._reading):
        with engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 3_000}
    await desk.store.close()


async def test_a_batch_is_one_transaction_begun_for_writing(tmp_path: Path) -> None:
    """By default the driver begins transactions late, which would silently disable group commit."""
    desk = open_desk(tmp_path / "tasks.db")
    statements: list[str] = []

    @event.listens_for(desk.store._writing, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    commits: list[None] = []
    event.listen(desk.store._writing, "commit", lambda _: commits.append(None))
    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        begun, done = statements.count("BEGIN"), len(commits)
        batch = [asyncio.ensure_future(desk.add(f"user {number}")) for number in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *batch)
    assert statements.count("BEGIN") - begun == len(commits) - done == 1
    await desk.store.close()


async def test_readers_do_not_wait_for_a_writer_nor_see_half_of_its_work(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    desk = open_desk(path)
    await desk.add()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM tasks")
    async with asyncio.timeout(PATIENCE):
        assert len((await whole_snapshot(desk.store)).tasks) == 1
    other.execute("ROLLBACK")
    other.close()
    await desk.store.close()


async def test_a_path_with_signs_that_mean_something_in_a_url(tmp_path: Path) -> None:
    path = tmp_path / "what? 100%#1" / "tasks.db"
    path.parent.mkdir()
    desk = open_desk(path)
    await desk.add()
    await desk.store.close()
    assert path.exists()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    database = _engine(tmp_path / "tasks.db", pool_size=1)
    migrate(database, alone=lambda connection: connection.execute(BEGIN_TO_WRITE))
    schema, head = _schema(tmp_path / "tasks.db"), _rows(tmp_path / "tasks.db", "log_head")
    migrate(database, alone=lambda connection: connection.execute(BEGIN_TO_WRITE))
    assert (_schema(tmp_path / "tasks.db"), _rows(tmp_path / "tasks.db", "log_head")) == (schema, head)
    database.dispose()


def test_each_database_has_its_own_epoch(tmp_path: Path) -> None:
    epochs = set()
    for name in ("a.db", "b.db"):
        database = _engine(tmp_path / name, pool_size=1)
        migrate(database, alone=lambda connection: connection.execute(BEGIN_TO_WRITE))
        database.dispose()
        ((_, epoch, revision, compacted, *_),) = _rows(tmp_path / name, "log_head")
        assert (revision, compacted) == (0, 0)
        epochs.add(epoch)
    assert len(epochs) == 2


def test_tables_that_can_not_all_be_created_leave_nothing_behind(tmp_path: Path) -> None:
    database = _engine(tmp_path / "tasks.db", pool_size=1)

    @event.listens_for(database, "before_cursor_execute")
    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE usage" in statement:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        migrate(database, alone=lambda connection: connection.execute(BEGIN_TO_WRITE))
    assert _schema(tmp_path / "tasks.db") == {}
    event.remove(database, "before_cursor_execute", fail)
    migrate(database, alone=lambda connection: connection.execute(BEGIN_TO_WRITE))
    assert "events" in _schema(tmp_path / "tasks.db")
    database.dispose()


def _rows(path: Path, table: str) -> list[Any]:
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return rows


def _schema(path: Path) -> dict[str, list[str]]:
    """Return the statements that create each table and index, normalized."""
    connection = sqlite3.connect(path)
    made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    schema = {name: sorted(re.sub(r'[\s"()]', "", sql).split(",")) for name, sql in made.fetchall()}
    connection.close()
    return schema


async def test_after_a_restart_with_the_clock_set_back_nothing_waits_longer_than_before(tmp_path: Path) -> None:
    desk = open_desk(tmp_path / "tasks.db")
    desk.clock.advance(timedelta(hours=1))
    retried = await desk.running("ann")
    await desk.store.fail(retried.lease, failure(retry_after=timedelta(seconds=30)))
    held = await desk.running("bob")
    desk.clock.advance(timedelta(minutes=10))
    assert await desk.store.heartbeat([Beat(held.lease, 10, "matting")], lease_for=LEASE) == []
    await desk.store.close()

    again = open_desk(tmp_path / "tasks.db", SettableClock())
    assert await again.store.requeue_expired() == []
    again.clock.advance(LEASE)
    assert [task.task_id for task in await again.store.requeue_expired()] == [held.task_id]
    again.clock.advance(timedelta(seconds=30) - LEASE)
    assert {task.task_id for task in await again.claim(limit=2)} == {retried.task_id, held.task_id}
    await again.store.close()
