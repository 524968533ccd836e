"""Events committed by this process are published without being read back, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from generator_service.domain.event import TaskEvent
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier
from generator_service.store.views import EventPage
from generator_service.watch import tail as tail_module
from generator_service.watch.committed import LocalCommitBuffer
from generator_service.watch.tail import LogTail
from tests.support.patience import PATIENCE
from tests.unit.watch.log_double import LogDouble


class Reads:
    """A running tail without its periodic poll; tests can wait for its reads of the log."""

    def __init__(self, log: LogDouble, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(tail_module, "POLL_SECONDS", 1000.0)
        self.log, self.told = log, list[TaskEvent]()
        self.committed, self.wake = LocalCommitBuffer(loop, 10), LocalNotifier(loop)
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
        """Run the tail within the block, from the log's head; continue once it has begun."""
        await self.tail.start(prefill=10)
        running = asyncio.create_task(self.tail.run())
        await self.until(1)
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, count: int, *, begun: int = 0) -> None:
        """Wait for this many finished and begun reads since the beginning."""
        async with asyncio.timeout(PATIENCE):
            while self.count < count or self.begun < begun:
                self._more.clear()
                await self._more.wait()

    def commit(self, events: Sequence[TaskEvent]) -> None:
        """Notify the tail as a commit of this process does."""
        self.committed.put(events)
        self.wake.notify(Topic.LOG)


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
        reader.wake.notify(Topic.LOG)
        await hint.wait(10)
        assert [event.revision for event in reader.told] == [1, 2, 3, 4]
        # One more read, on request, shows that there was none too many.
        reader.wake.notify(Topic.REMOTE_LOG)
        await reader.until(2 + reads)
    assert reader.count == 2 + reads
    assert [event.revision for event in reader.told] == [1, 2, 3, 4]
    assert not reader.committed


@pytest.mark.parametrize("first", ["ours", "theirs"])
async def test_a_hint_of_others_that_comes_together_with_ours_is_read_for(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our event is published directly; the hint about the other, merged with ours, must still cause a read."""
    log = LogDouble()
    reader = Reads(log, monkeypatch)
    async with reader.running():
        log.create("ann")
        ours = log.history[:]
        log.create("bob")
        if first == "ours":
            reader.commit(ours)
        reader.wake.notify(Topic.LOG | Topic.REMOTE_LOG)
        if first == "theirs":
            reader.commit(ours)
        await reader.until(2)
        # A read that began before our event was published contains both too.
        assert [event.revision for event in reader.told] == [1, 2]


async def test_a_hint_of_others_that_comes_during_a_read_is_read_for(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogDouble()
    reader = Reads(log, monkeypatch)
    async with reader.running():
        log.create("ann")
        log.hold()  # the read that begins now sees no later event
        reader.wake.notify(Topic.REMOTE_LOG)
        await reader.until(1, begun=2)
        reader.commit(log.history[:])
        log.create("bob")
        reader.wake.notify(Topic.LOG | Topic.REMOTE_LOG)
        log.let_go()
        await reader.until(3)
        assert [event.revision for event in reader.told] == [1, 2]


async def test_what_is_handed_over_is_told_without_a_hint() -> None:
    loop = asyncio.get_running_loop()
    log, committed, told = LogDouble(), LocalCommitBuffer(loop, 10), asyncio.Queue[TaskEvent]()

    def tell(events: Sequence[TaskEvent]) -> None:
        for event in events:
            told.put_nowait(event)

    tail = LogTail(log.as_store(), LocalNotifier(loop), listeners=[tell], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    committed.listen(tail.take_committed)
    before = log.reads
    log.create("ann")
    await asyncio.to_thread(committed.put, log.history)

    assert (await told.get()).revision == 1
    assert log.reads == before


async def test_what_is_handed_over_while_it_is_read_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    log, told, committed = LogDouble(), list[TaskEvent](), LocalCommitBuffer(loop, 10)
    store = log.as_store()
    read = store.events_after

    async def read_slowly(*args: Any, **kwargs: Any) -> EventPage:
        page = await read(*args, **kwargs)
        committed.put(log.history)
        tail.take_committed()
        return page

    monkeypatch.setattr(store, "events_after", read_slowly)
    tail = LogTail(store, LocalNotifier(loop), listeners=[told.extend], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    log.create("ann")
    log.create("ann")
    await tail.catch_up()

    assert [event.revision for event in told] == [1, 2]
    assert tail.revision == 2
