"""What this process committed is told without being read back, and never out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from generator_service.domain.event import TaskEvent
from generator_service.store.contract import EventPage
from generator_service.wake.local import LocalWake
from generator_service.watch.committed import Committed
from generator_service.watch.tail import LogTail
from tests.unit.watch.log_double import LogDouble


@pytest.mark.parametrize(
    ("handed_over", "reads"),
    [
        pytest.param([1, 2, 3, 4], 0, id="all of it"),
        pytest.param([1, 2, 4], 1, id="a hole: others committed too"),
        pytest.param([3, 4], 1, id="the oldest were dropped"),
        pytest.param([], 1, id="nothing: another process committed"),
        pytest.param([1, 1, 2, 2, 3, 4], 0, id="what was told already"),
    ],
)
async def test_each_event_is_told_once_in_order(handed_over: list[int], reads: int) -> None:
    loop = asyncio.get_running_loop()
    log, told, committed, wake = LogDouble(), list[TaskEvent](), Committed(loop, 10), LocalWake(loop)
    tail = LogTail(log.as_store(), wake, listeners=[told.extend], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    for _ in range(4):
        log.create("ann")
    before = log.reads

    committed.put([log.history[revision - 1] for revision in handed_over])
    await tail.catch_up()
    read_for_it = log.reads - before
    await tail.catch_up()

    assert [event.revision for event in told] == [1, 2, 3, 4]
    assert tail.revision == 4
    assert not committed
    assert read_for_it == reads


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
