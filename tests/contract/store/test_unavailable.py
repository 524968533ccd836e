"""A database that is locked, read-only or full: the callers' errors, their delay, and automatic recovery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from generator_service.store import writer
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.unavailable import Reason
from generator_service.store.unit_of_work import UnitOfWork
from tests.support.store import LEASE, StoreHarness, audit


@contextmanager
def locked(desk: StoreHarness) -> Iterator[None]:
    """Hold the lock that every write needs, as another process would."""
    engine = desk.store._reading.execution_options(postgresql_readonly=False, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            connection.exec_driver_sql("BEGIN")
        connection.execute(text("UPDATE log_head SET revision = revision"))
        if not sqlite:
            connection.exec_driver_sql("LOCK users IN EXCLUSIVE MODE")
        yield
        connection.exec_driver_sql("ROLLBACK")


def set_lock_timeout(desk: StoreHarness, milliseconds: int) -> None:
    """Shorten the wait for locks, on the one connection that writes."""
    with desk.store._writing.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        statement = f"PRAGMA busy_timeout = {milliseconds}" if sqlite else f"SET lock_timeout = {milliseconds}"
        connection.exec_driver_sql(statement)
        connection.commit()


def set_read_only(desk: StoreHarness, read_only: bool) -> None:
    """Refuse or allow writes on the one connection that writes."""
    with desk.store._writing.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        value = "ON" if read_only else "OFF"
        connection.exec_driver_sql(
            f"PRAGMA query_only = {value}" if sqlite else f"SET default_transaction_read_only = {value}"
        )
        connection.commit()


async def test_a_locked_database_fails_a_whole_batch_after_one_lock_timeout(desk: StoreHarness) -> None:
    await desk.add("before")
    set_lock_timeout(desk, 500)
    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        batch = [asyncio.ensure_future(desk.add(f"user {number}")) for number in range(200)]
        await asyncio.sleep(0)
        with locked(desk):
            began = time.monotonic()
            desk.commits.go_on()
            outcomes = await asyncio.gather(*batch, return_exceptions=True)
            took = time.monotonic() - began
    await first
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, DatabaseUnavailable)} == {Reason.LOCKED}
    assert all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    # One after the other, they would take 200 times as long: 100 s.
    assert took < 60
    assert (await desk.add("after")).seq == 1
    assert [event.user_id for event in await audit(desk.store)] == ["before", "first", "after"]


async def test_a_read_only_database_says_so_and_is_written_again_once_it_can_be(desk: StoreHarness) -> None:
    set_read_only(desk, True)
    with pytest.raises(DatabaseUnavailable, match="read-only") as refused:
        await desk.add()
    assert refused.value.reason is Reason.READ_ONLY
    # The writer must open a new connection: this one would go on failing.
    assert (await desk.add()).seq == 1


async def test_a_lease_is_renewed_before_what_waited_longer(desk: StoreHarness) -> None:
    task = await desk.running()
    order: list[str] = []
    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        adding = asyncio.ensure_future(desk.add("second"))
        adding.add_done_callback(lambda _: order.append("add"))
        await asyncio.sleep(0)
        beating = asyncio.ensure_future(desk.store.heartbeat([], lease_for=LEASE))
        beating.add_done_callback(lambda _: order.append("heartbeat"))
        await asyncio.sleep(0)
    await asyncio.gather(first, adding, beating)
    assert order == ["heartbeat", "add"]
    assert (await desk.store.get(task.task_id, None)).lease == task.lease


async def test_a_heartbeat_does_not_fail_with_the_batch_that_it_overtook(desk: StoreHarness) -> None:
    def spoil(_uow: UnitOfWork) -> None:
        raise DatabaseUnavailable(reason=Reason.DISK_FULL)

    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        spoiled = asyncio.ensure_future(desk.store._write(spoil))
        neighbour = asyncio.ensure_future(desk.add("second"))
        await asyncio.sleep(0)
        beating = asyncio.ensure_future(desk.store.heartbeat([], lease_for=LEASE))
        await asyncio.sleep(0)
    await first
    assert await beating == []
    for failed in (spoiled, neighbour):
        with pytest.raises(DatabaseUnavailable, match="disk is full"):
            await failed


async def test_a_failed_batch_is_rerun_for_a_bounded_time(desk: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time left, nothing is retried, not even an operation that would succeed."""
    monkeypatch.setattr(writer, "RERUN_SECONDS", -1.0)
    await desk.add("before")

    def clash(uow: UnitOfWork) -> None:
        uow.query(text("INSERT INTO log_head SELECT * FROM log_head"))

    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        batch = [asyncio.ensure_future(desk.store._write(clash)), asyncio.ensure_future(desk.add("second"))]
        await asyncio.sleep(0)
    await first
    outcomes = await asyncio.gather(*batch, return_exceptions=True)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, DatabaseUnavailable)] == [
        Reason.OVERLOADED
    ] * 2
    monkeypatch.undo()
    with pytest.raises(IntegrityError):
        await desk.store._write(clash)


async def test_a_rerun_ends_where_the_database_becomes_unavailable(desk: StoreHarness) -> None:
    runs: list[str] = []

    def fault(_uow: UnitOfWork) -> None:
        runs.append("fault")
        raise RuntimeError("a fault of this operation")

    def unavailable(_uow: UnitOfWork) -> None:
        runs.append("unavailable")
        raise DatabaseUnavailable(reason=Reason.LOCKED)

    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        operations = [fault, unavailable, unavailable, unavailable]
        batch = [asyncio.ensure_future(desk.store._write(operation)) for operation in operations]
        await asyncio.sleep(0)
    await first
    outcomes = await asyncio.gather(*batch, return_exceptions=True)
    assert isinstance(outcomes[0], RuntimeError)
    assert [type(outcome) for outcome in outcomes[1:]] == [DatabaseUnavailable] * 3
    assert runs == ["fault", "fault", "unavailable"]


async def test_reads_say_why_they_fail(desk: StoreHarness) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("DELETE FROM tasks WHERE task_id = 0"))

    if desk.store._reading.dialect.name == "sqlite":
        with desk.store._reading.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnavailable) as refused:
        await desk.store._read(broken)
    assert refused.value.reason is Reason.READ_ONLY
