"""A snapshot is read page by page in one transaction, which ends soon after its reader stops taking pages."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from generator_service.domain.errors import SlowSnapshot
from generator_service.store import queries, read_ahead, sql
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.views import SnapshotPage
from tests.support.store import RESULT, StoreHarness, whole_snapshot

SNAPSHOT = queries.snapshot
PATIENCE = 30
"""Seconds after which a signal is believed never to come."""


class Reads:
    """The pages read from the database: counts them, holds them from one on, or loses the connection before one."""

    def __init__(self, *, hold_from: int | None = None, lose_at: int | None = None) -> None:
        self.pages = 0
        self._hold_from, self._lose_at = hold_from, lose_at
        self._reached, self._released, self._idle = (threading.Event() for _ in range(3))

    def snapshot(self, connection: Connection, **how: Any) -> Iterator[SnapshotPage]:
        """Read a snapshot."""
        pages = SNAPSHOT(connection, **how)
        while True:
            self._before_page(connection)
            if (page := next(pages, None)) is None:
                return
            yield page

    def _before_page(self, connection: Connection) -> None:
        self.pages += 1
        if self.pages == self._lose_at:
            if connection.dialect.name == "sqlite":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
                raise DBAPIError("SELECT", None, error)
            driver: Any = connection.connection.driver_connection
            driver.close()
        if self._hold_from is not None and self.pages >= self._hold_from:
            self._reached.set()
            assert self._released.wait(PATIENCE), "the test never let the reader go on"

    def on_checkin(self, *_: Any) -> None:
        """Run when a connection is given back."""
        self._idle.set()

    async def held(self) -> None:
        """Wait until a page is held."""
        assert await asyncio.to_thread(self._reached.wait, PATIENCE), "no page was held"

    async def ended(self) -> None:
        """Wait until the transaction has ended."""
        assert await asyncio.to_thread(self._idle.wait, PATIENCE), "the connection was not given back"

    def go_on(self) -> None:
        """Hold no more pages."""
        self._released.set()


@contextmanager
def reads(desk: StoreHarness, **how: int) -> Iterator[Reads]:
    """Observe the readers of a store."""
    observed, engine = Reads(**how), desk.store._reading
    event.listen(engine, "checkin", observed.on_checkin)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "snapshot", observed.snapshot)
        try:
            yield observed
        finally:
            observed.go_on()
            event.remove(engine, "checkin", observed.on_checkin)


def pages_of(desk: StoreHarness, user_id: str | None = "ann") -> aclosing[AsyncGenerator[SnapshotPage]]:
    """Open a snapshot with two tasks on a page."""
    return aclosing(desk.store.snapshot(user_id, page_size=2))


def ids(page: SnapshotPage) -> list[int]:
    return [task.task_id for task in page.tasks]


@pytest.fixture
async def five(desk: StoreHarness) -> StoreHarness:
    """Return a store with five tasks of ann, with ids from 1, and one of bob."""
    for user in ("ann", "ann", "ann", "ann", "ann", "bob"):
        await desk.add(user)
    return desk


async def test_a_snapshot_comes_oldest_first_in_pages_of_one_head(five: StoreHarness) -> None:
    async with pages_of(five) as reading:
        pages = [page async for page in reading]
    assert [ids(page) for page in pages] == [[1, 2], [3, 4], [5]]
    assert {(page.revision, page.head.position) for page in pages} == {(6, 5)}
    async with pages_of(five, None) as reading:
        pages = [page async for page in reading]
    assert [ids(page) for page in pages] == [[1, 2], [3, 4], [5, 6]]
    assert {(page.revision, page.head.position) for page in pages} == {(6, 6)}


async def test_a_snapshot_without_tasks_has_one_page_with_the_head(five: StoreHarness) -> None:
    async with pages_of(five, "unknown") as reading:
        (page,) = [page async for page in reading]
    assert (page.tasks, page.revision, page.head.position) == ([], 6, 0)


async def test_the_first_page_arrives_before_the_second_is_read(five: StoreHarness) -> None:
    with reads(five, hold_from=2) as observed:
        async with pages_of(five) as reading:
            assert ids(await anext(reading)) == [1, 2]
            await observed.held()
            observed.go_on()
            assert [ids(page) async for page in reading] == [[3, 4], [5]]


async def test_commits_between_two_pages_are_not_in_the_snapshot_but_follow_its_head(five: StoreHarness) -> None:
    before = (await whole_snapshot(five.store, "ann")).tasks
    with reads(five, hold_from=2) as observed:
        async with pages_of(five) as reading:
            pages = [await anext(reading)]
            await observed.held()
            (started,) = await five.claim()
            await five.store.complete(started.lease, RESULT)
            await five.store.cancel(4, "ann")
            await five.store.delete_tasks([5], "ann")
            await five.add("ann")
            observed.go_on()
            pages += [page async for page in reading]
    assert [task for page in pages for task in page.tasks] == before
    head = pages[0].head
    following = (await five.store.user_events_after("ann", head.position, limit=100)).events
    assert [page.head for page in pages] == [head] * len(pages)
    assert [later.seq for later in following] == list(range(6, 6 + len(following)))
    assert {later.task.task_id for later in following} == {1, 4, 5, 7}


async def test_a_connection_lost_between_two_pages_ends_the_snapshot(five: StoreHarness) -> None:
    with reads(five, lose_at=3) as observed:
        async with pages_of(five) as reading:
            with pytest.raises(DatabaseUnavailable, match="try again"):
                _ = [page async for page in reading]
        await observed.ended()
    assert ids(await whole_snapshot(five.store, "ann")) == [1, 2, 3, 4, 5]


async def test_a_slow_reader_holds_a_bounded_number_of_pages_and_loses_its_transaction(
    five: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "STALL_SECONDS", 0.01)
    monkeypatch.setattr(sql, "SNAPSHOT_TASKS", 2)
    for _ in range(10):
        await five.add()
    with reads(five) as observed:
        async with pages_of(five) as reading:
            assert ids(await anext(reading)) == [1, 2]
            await observed.ended()
            with pytest.raises(SlowSnapshot, match="not taken fast enough"):
                await anext(reading)
    # One was taken, one waited, and one found no room.
    assert observed.pages <= 3


async def test_a_snapshot_that_fits_needs_no_transaction_for_a_slow_reader(five: StoreHarness) -> None:
    with reads(five) as observed:
        async with pages_of(five) as reading:
            pages = [await anext(reading)]
            await observed.ended()
            await five.store.cancel(5, "ann")
            pages += [page async for page in reading]
    assert [ids(page) for page in pages] == [[1, 2], [3, 4], [5]]
    assert not pages[-1].tasks[0].state.terminal


async def test_other_reads_never_wait_for_slow_snapshots(five: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "STALL_SECONDS", 2.0 * PATIENCE)
    monkeypatch.setattr(sql, "SNAPSHOT_TASKS", 1)
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(pages_of(five)) for _ in range(2 * sql.READERS)]
        first = [asyncio.ensure_future(anext(reading)) for reading in slow]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(five.store.get(1, "ann") for _ in range(sql.READERS)))
        # Each one's turn comes once those before it are closed.
        for number, reading in enumerate(slow):
            assert ids(await first[number]) == [1, 2]
            await reading.aclose()


async def test_a_closed_snapshot_ends_its_transaction(five: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "STALL_SECONDS", 2.0 * PATIENCE)
    monkeypatch.setattr(sql, "SNAPSHOT_TASKS", 1)
    with reads(five) as observed:
        async with pages_of(five) as reading:
            await anext(reading)
        await observed.ended()
    assert observed.pages <= 3
