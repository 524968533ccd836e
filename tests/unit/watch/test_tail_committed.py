"""What this process committed is told without being read back, and never out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from generator_service.domain.event import TaskEvent
from generator_service.store.contract import EventPage
from generator_service.wake.contract import Topic
from generator_service.wake.local import LocalWake
from generator_service.watch import tail as tail_module
from generator_service.watch.committed import Committed
from generator_service.watch.tail import LogTail
from tests.unit.watch.log_double import LogDouble


class Reads:
    """A tail that runs and is not helped by its poll; its reads of the log can be waited for."""

    def __init__(self, log: LogDouble, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(tail_module, "POLL_SECONDS", 1000.0)
        self.log, self.told = log, list[TaskEvent]()
        self.committed, self.wake = Committed(loop, 10), LocalWake(loop)
        self.count = self.begun = 0
        self._more = asyncio.Event()
        self._read = log.events_after
        store = log.as_store()
        monkeypatch.setattr(store, "events_after", self._counted)
        self.tail = LogTail(
            store, self.wake, listeners=[self.told.extend], on_gap=pytest.fail, committed=self.committed
        )

    async def _counted(self, revision: int, *, limit: int) -> EventPage:
        self.begun += 1
        self._more.set()
        page = await self._read(revision, limit=limit)
        self.count += 1
        self._more.set()
        return page

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the tail run within the block, from the log's head; return once it has begun."""
        await self.tail.start(prefill=10)
        running = asyncio.create_task(self.tail.run())
        await self.until(1)
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, count: int, *, begun: int = 0) -> None:
        """Wait for so many reads since the beginning, that have ended or begun."""
        async with asyncio.timeout(10):
            while self.count < count or self.begun < begun:
                self._more.clear()
                await self._more.wait()

    def commit(self, events: Sequence[TaskEvent]) -> None:
        """Do what a commit of this process does."""
        self.committed.put(events)
        self.wake.announce(Topic.LOG)


@pytest.mark.parametrize(
    ("handed_over", "reads"),
    [
        pytest.param([1, 2, 3, 4], 0, id="all of it"),
        pytest.param([1, 2, 4], 1, id="a hole: others committed too"),
        pytest.param([3, 4], 1, id="the oldest were dropped"),
        pytest.param([1, 1, 2, 2, 3, 4], 0, id="what was told already"),
    ],
)
async def test_each_event_is_told_once_in_order(
    handed_over: list[int], reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogDouble()
    reader = Reads(log, monkeypatch)
    async with reader.running():
        for _ in range(4):
            log.create("ann")
        reader.commit([log.history[revision - 1] for revision in handed_over])
        await reader.until(1 + reads)
        hint = reader.wake.subscribe(Topic.LOG)
        reader.wake.announce(Topic.LOG)
        await hint.wait(10)
        assert [event.revision for event in reader.told] == [1, 2, 3, 4]
        # One more, which is asked for, shows that there was none too many.
        reader.wake.announce(Topic.ELSEWHERE)
        await reader.until(2 + reads)
    assert reader.count == 2 + reads
    assert [event.revision for event in reader.told] == [1, 2, 3, 4]
    assert not reader.committed


@pytest.mark.parametrize("first", ["ours", "theirs"])
async def test_a_hint_of_others_that_comes_together_with_ours_is_read_for(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is told as it is handed over; the hint of theirs, merged with ours into one, must not pass for it."""
    log = LogDouble()
    reader = Reads(log, monkeypatch)
    async with reader.running():
        log.create("ann")
        ours = log.history[:]
        log.create("bob")
        if first == "ours":
            reader.commit(ours)
        reader.wake.announce(Topic.LOG | Topic.ELSEWHERE)
        if first == "theirs":
            reader.commit(ours)
        await reader.until(2)
        # A read that began before ours was told has both as well.
        assert [event.revision for event in reader.told] == [1, 2]


async def test_a_hint_of_others_that_comes_during_a_read_is_read_for(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogDouble()
    reader = Reads(log, monkeypatch)
    async with reader.running():
        log.create("ann")
        log.hold()  # the read that now begins sees nothing of what follows
        reader.wake.announce(Topic.ELSEWHERE)
        await reader.until(1, begun=2)
        reader.commit(log.history[:])
        log.create("bob")
        reader.wake.announce(Topic.LOG | Topic.ELSEWHERE)
        log.let_go()
        await reader.until(3)
        assert [event.revision for event in reader.told] == [1, 2]


async def test_what_is_handed_over_is_told_without_a_hint() -> None:
    loop = asyncio.get_running_loop()
    log, committed, told = LogDouble(), Committed(loop, 10), asyncio.Queue[TaskEvent]()

    def tell(events: Sequence[TaskEvent]) -> None:
        for event in events:
            told.put_nowait(event)

    tail = LogTail(log.as_store(), LocalWake(loop), listeners=[tell], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    committed.listen(tail.take_committed)
    before = log.reads
    log.create("ann")
    await asyncio.to_thread(committed.put, log.history)

    assert (await told.get()).revision == 1
    assert log.reads == before


async def test_what_is_handed_over_while_it_is_read_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    log, told, committed = LogDouble(), list[TaskEvent](), Committed(loop, 10)
    store = log.as_store()
    read = store.events_after

    async def read_slowly(*args: Any, **kwargs: Any) -> EventPage:
        page = await read(*args, **kwargs)
        committed.put(log.history)
        tail.take_committed()
        return page

    monkeypatch.setattr(store, "events_after", read_slowly)
    tail = LogTail(store, LocalWake(loop), listeners=[told.extend], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    log.create("ann")
    log.create("ann")
    await tail.catch_up()

    assert [event.revision for event in told] == [1, 2]
    assert tail.revision == 2
