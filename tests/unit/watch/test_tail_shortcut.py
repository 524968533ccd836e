"""What a process committed itself reaches its tail without a read, and never out of order, twice or not at all."""

from __future__ import annotations

import asyncio
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.event import TaskEvent
from generator_service.wake.local import LocalWake
from generator_service.watch.tail import LogTail
from tests.unit.watch.log_double import LogDouble


class Told:
    """A tail with the events it has told."""

    def __init__(self, log: LogDouble, waiting_at_most: int) -> None:
        self.events: list[TaskEvent] = []
        self.committed: deque[TaskEvent] = deque(maxlen=waiting_at_most)
        self.tail = LogTail(
            log.as_store(),
            LocalWake(asyncio.get_running_loop()),
            listeners=[self.events.extend],
            on_gap=self._no_gap,
            committed=self.committed,
        )

    async def _no_gap(self) -> None:
        raise AssertionError("nothing was compacted")


STEPS = st.lists(st.sampled_from(["own", "other", "own but not handed over", "catch up"]), max_size=30)


@given(steps=STEPS, waiting_at_most=st.integers(1, 4))
def test_whoever_commits_the_tail_tells_the_log(steps: list[str], waiting_at_most: int) -> None:
    async def run() -> None:
        log = LogDouble()
        told = Told(log, waiting_at_most)
        await told.tail.start(prefill=10)
        for step in steps:
            if step == "catch up":
                await told.tail.catch_up()
                assert told.events == log.history[: len(told.events)]
                continue
            log.create("ann")
            if step == "own":
                told.committed.append(log.history[-1])
        await told.tail.catch_up()
        # What others committed after the last own event is known by their hint, or by the next poll.
        await told.tail.catch_up()
        assert told.events == log.history

    asyncio.run(run())


async def test_what_was_handed_over_is_not_read() -> None:
    log = LogDouble()
    told = Told(log, 10)
    await told.tail.start(prefill=10)
    reads = log.reads
    log.create("ann")
    told.committed.append(log.history[-1])
    await told.tail.catch_up()
    assert told.events == log.history
    assert log.reads == reads
