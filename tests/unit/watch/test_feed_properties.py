"""In any order of operations, a watcher receives every event of its scope once, in order, or a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from generator_service.watch.feed import OnGap
from generator_service.watch.watchers import Scope
from tests.unit.watch.log_double import LogDouble, Process
from tests.unit.watch.reader_model import Reader, catch_up, settle

T = TypeVar("T")

USERS = st.sampled_from(["ann", "bob"])
SCOPES = st.sampled_from(
    [
        Scope("ann"),
        Scope("bob"),
        Scope(None),
        Scope("ann", frozenset({1, 3})),
        Scope(None, frozenset({2, 3})),
    ]
)
QUEUE, RING, BATCH = 4, 5, 3


class FeedMachine(RuleBasedStateMachine):
    """Writes, tail steps, slow reads, compaction, restarts and slow watchers, in any order."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.log = LogDouble()
        self.readers: list[Reader] = []
        self.tailing: asyncio.Task[None] | None = None
        self._run(self._start())

    async def _start(self) -> None:
        self.process = await Process(self.log, queue=QUEUE, ring=RING, batch=BATCH).start()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    @rule(user=USERS, count=st.integers(1, 3))
    def create(self, user: str, count: int) -> None:
        for _ in range(count):
            self.log.create(user)

    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        latest = {event.task.task_id: event.task for event in self.log.history}
        alive = [task for task in latest.values() if not task.state.terminal]
        if alive:
            self.log.advance(data.draw(st.sampled_from(alive)))

    @rule()
    def tail(self) -> None:
        """Start a read of the tail unless one is running; the answer may come much later."""

        async def step() -> None:
            if self.tailing is None or self.tailing.done():
                self.tailing = asyncio.create_task(self.process.tail.catch_up())
            await settle()

        self._run(step())
        if self.tailing is not None and self.tailing.done():
            self.tailing.result()

    @rule(scope=SCOPES, back=st.integers(0, 6), how=st.sampled_from(["cursor", "beginning", "now", "snapshot"]))
    @precondition(lambda self: len(self.readers) < 4)
    def open(self, scope: Scope, back: int, how: str) -> None:
        head = self.log.head_of(scope.user_id).position
        after = {"cursor": max(0, head - back), "beginning": 0}.get(how)
        on_gap = OnGap.FAIL if back % 2 else OnGap.SNAPSHOT
        self.readers.append(Reader(self.log, scope, after=after, snapshot=how == "snapshot", on_gap=on_gap))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), batches=st.integers(1, 3))
    def pull(self, data: st.DataObject, batches: int) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        for _ in range(batches):
            self._run(reader.pull(self.process.feeds))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        self._run(data.draw(st.sampled_from(self.readers)).drop())

    @rule()
    def hold_reads(self) -> None:
        self.log.hold()

    @rule()
    def let_reads_go(self) -> None:
        self.log.let_go()
        self._run(settle())

    @rule(user=USERS, keep=st.integers(0, 3))
    def compact(self, user: str, keep: int) -> None:
        self.log.compact(user, keep)

    @rule(restored=st.booleans())
    def restart(self, restored: bool) -> None:
        """Restart the process, perhaps on a database from a backup: another epoch, the same tasks."""
        self.log.let_go()
        self._run(self._stop())
        if restored:
            self.log.epoch = f"{self.log.epoch}0"
        self._run(self._start())

    async def _stop(self) -> None:
        if self.tailing is not None:
            self.tailing.cancel()
            await asyncio.gather(self.tailing, return_exceptions=True)
            self.tailing = None
        for reader in self.readers:
            await reader.drop()

    def teardown(self) -> None:
        if not hasattr(self, "process"):
            return
        try:
            self._run(catch_up(self.process, self.readers, self.tailing))
            for reader in self.readers:
                self._check_caught_up(reader)
        finally:
            self._run(self._stop())
            self.runner.close()
        assert len(self.process.watchers) == 0, "a disconnected watcher is still registered"

    def _check_caught_up(self, reader: Reader) -> None:
        head = self.log.head_of(reader.scope.user_id).position
        assert reader.expected() is None, "an event is missing"
        # Filtered events move the cursor only with the next bookmark.
        assert reader.position == head or reader.scope.task_ids is not None
        if reader.whole:
            assert reader.tasks == reader.truth(head)


TestFeed = FeedMachine.TestCase
TestFeed.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
