"""What this process committed is told without being read back, and never out of order."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from generator_service.domain.event import TaskEvent
from generator_service.wake.local import LocalWake
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
    log, told, committed = LogDouble(), list[TaskEvent](), deque[TaskEvent]()
    wake = LocalWake(asyncio.get_running_loop())
    tail = LogTail(log.as_store(), wake, listeners=[told.extend], on_gap=pytest.fail, committed=committed)
    await tail.start(prefill=10)
    for _ in range(4):
        log.create("ann")
    before = log.reads

    committed.extend(log.history[revision - 1] for revision in handed_over)
    await tail.catch_up()
    read_for_it = log.reads - before
    await tail.catch_up()

    assert [event.revision for event in told] == [1, 2, 3, 4]
    assert tail.revision == 4
    assert not committed
    assert read_for_it == reads
