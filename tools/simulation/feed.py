"""The service's feeds over a log whose reads may be slow, with readers that drop out and resume."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from generator_service.watch.feed import OnGap
from generator_service.watch.watchers import Scope
from tests.unit.watch.log_double import LogDouble, Process
from tests.unit.watch.reader_model import Reader, catch_up, settle
from tools.simulation.schedule import Step

_SCOPES = (Scope("ann"), Scope("bob"), Scope(None))
_USERS = ("ann", "bob")
_QUEUE, _RING, _BATCH = 4, 5, 3


class FeedWorld:
    """Writes, reads of the tail, slow reads, readers that open, pull and drop, and compaction."""

    steps: Mapping[str, int] = {
        "create": 4, "advance": 4, "tail": 6, "open": 3, "pull": 8, "drop": 2, "hold": 2, "let_go": 3, "compact": 1,
    }  # fmt: skip

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule, let everything settle, and check that every reader has everything."""
        asyncio.run(_Run().all(schedule))


class _Run:
    def __init__(self) -> None:
        self.log = LogDouble()
        self.readers: list[Reader] = []
        self.tailing: asyncio.Task[None] | None = None

    async def all(self, schedule: Sequence[Step]) -> None:
        self.process = await Process(self.log, queue=_QUEUE, ring=_RING, batch=_BATCH).start()
        try:
            for name, number in schedule:
                await self._step(name, number)
            await catch_up(self.process, self.readers, self.tailing)
            for reader in self.readers:
                assert reader.expected() is None, "an event is missing"
                head = self.log.head_of(reader.scope.user_id).position
                assert reader.position == head, f"a reader stopped at {reader.position}, the log ends at {head}"
                assert not reader.whole or reader.tasks == reader.truth(head), "a reader's tasks are not the log's"
        finally:
            for reader in self.readers:
                await reader.drop()
            if self.tailing is not None:
                self.tailing.cancel()
                await asyncio.wait({self.tailing})

    async def _step(self, name: str, number: int) -> None:
        latest = {event.task.task_id: event.task for event in self.log.history}
        alive = [task for task in latest.values() if not task.state.terminal]
        match name:
            case "create":
                self.log.create(_USERS[number & 1])
            case "advance" if alive:
                self.log.advance(alive[number % len(alive)])
            case "tail":
                if self.tailing is None or self.tailing.done():
                    self.tailing = asyncio.create_task(self.process.tail.catch_up())
                await settle()
            case "open" if len(self.readers) < 3:
                scope = _SCOPES[number % 3]
                head = self.log.head_of(scope.user_id).position
                after = (None, 0, max(0, head - (number >> 8) % 4))[(number >> 4) % 3]
                on_gap = OnGap.FAIL if number & 1024 else OnGap.SNAPSHOT
                self.readers.append(Reader(self.log, scope, after=after, snapshot=after is None, on_gap=on_gap))
            case "pull" if self.readers:
                await self.readers[number % len(self.readers)].pull(self.process.feeds)
            case "drop" if self.readers:
                await self.readers[number % len(self.readers)].drop()
            case "hold":
                self.log.hold()
            case "let_go":
                self.log.let_go()
                await settle()
            case "compact":
                self.log.compact(_USERS[number & 1], (number >> 1) % 4)
