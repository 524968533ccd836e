"""A strict watcher: it knows the whole history and checks every batch against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import cast

from generator_service.domain.cursor import Cursor, LogCursor, UserCursor
from generator_service.domain.errors import CursorGap, GapReason, SlowConsumer
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Progress, Task
from generator_service.watch.feed import Batch, Bookmark, Feeds, OnGap, SnapshotBegin, SnapshotEnd, WatchRequest
from generator_service.watch.watchers import Scope
from tests.support.store import fold
from tests.unit.watch.log_double import LogDouble, Process

TURNS = 30
"""Enough turns of the event loop to run everything that is ready without time passing."""


async def settle() -> None:
    """Let the event loop do all that is ready."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def catch_up(process: Process, readers: Iterable[Reader], tailing: asyncio.Task[None] | None) -> None:
    """Let reads go on, the tail reach the log's end, and every reader take what there is."""
    process.log.let_go()
    if tailing is not None:
        await tailing
    await process.tail.catch_up()
    for reader in readers:
        # The first empty pull may have been the end of a disconnected watcher's stream.
        while await reader.pull(process.feeds):
            pass


class Reader:
    """Opens a feed, takes a batch on request, and reopens it with the last cursor when it has ended."""

    def __init__(
        self, log: LogDouble, scope: Scope, *, after: int | None, snapshot: bool = False, on_gap: OnGap = OnGap.SNAPSHOT
    ) -> None:
        self.log = log
        self.scope = scope
        self.snapshot = snapshot
        self.on_gap = on_gap
        self.epoch, self.position = log.epoch, after
        self.tasks: dict[int, Task] = {}
        self.whole = after == 0
        """Whether it has read the log from its beginning, or a snapshot: then `tasks` must be complete."""
        self._incoming: dict[int, Task] | None = None
        self._feed: AsyncIterator[Batch] | None = None
        self._next: asyncio.Task[Batch] | None = None
        self._asked: Cursor | None = None

    @property
    def idle(self) -> bool:
        """Whether it is waiting for live events."""
        return self._next is not None

    def cursor(self) -> Cursor | None:
        """Return the cursor to resume from."""
        if self.position is None:
            return None
        return (LogCursor if self.scope.user_id is None else UserCursor)(self.epoch, self.position)

    def expected(self) -> TaskEvent | None:
        """Return the event that must come next, as the history has it."""
        assert self.position is not None
        for event in self.log.history:
            in_scope = self.scope.user_id in (None, event.user_id) and self.scope.shows(event.task.task_id)
            if in_scope and self.scope.position(event) > self.position:
                return event
        return None

    async def pull(self, feeds: Feeds) -> bool:
        """Take the next batch if there is one; return whether there was."""
        if self._feed is None:
            self._asked = self.cursor()
            request = WatchRequest(scope=self.scope, after=self._asked, snapshot=self.snapshot, on_gap=self.on_gap)
            self._feed = feeds.watch(request)
        if self._next is None:
            self._next = asyncio.ensure_future(cast("asyncio.Future[Batch]", anext(self._feed)))  # type: ignore[assignment]  # a coroutine becomes a task
        await settle()
        assert self._next is not None
        if not self._next.done():
            return False
        done, self._next = self._next, None
        try:
            self._take(done.result())
        except SlowConsumer:
            await self.drop()
        except CursorGap as gap:
            self._check_gap(gap.reason)
            assert self.on_gap is OnGap.FAIL
            await self.drop()
            self.position, self.whole = None, False
        return True

    async def drop(self) -> None:
        """Lose the connection; an incomplete snapshot is discarded."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
            self._next = None
        if self._feed is not None:
            await self._feed.aclose()  # type: ignore[attr-defined]  # it is a generator
            self._feed = None
        self._incoming = None

    def _take(self, batch: Batch) -> None:
        for item in batch.items:
            match item:
                case TaskEvent():
                    self._take_event(item)
                case SnapshotBegin():
                    self._check_gap(item.reason)
                    self._incoming = {}
                case Task():
                    assert self._incoming is not None, "a task outside of a snapshot"
                    self._incoming[item.task_id] = item
                case SnapshotEnd():
                    assert self._incoming is not None
                    assert item.task_count == len(self._incoming)
                    self.tasks, self._incoming, self.whole = self._incoming, None, True
                    self.position = None
                case Bookmark() | Progress():
                    assert self._incoming is None
        if batch.cursor is None:
            assert self._incoming is not None, "only inside a snapshot there is nothing to resume from"
            return
        self._move_to(batch.cursor)

    def _take_event(self, event: TaskEvent) -> None:
        assert self._incoming is None, "an event inside a snapshot"
        if self.position is None:
            # This watch starts now; earlier events are irrelevant.
            self.position = self.scope.position(event) - 1
        assert event == self.expected(), "not the next event: one is missing, or came twice"
        self.position = self.scope.position(event)
        self.tasks[event.task.task_id] = event.task

    def _move_to(self, cursor: Cursor) -> None:
        assert cursor.epoch == self.log.epoch
        assert self.position is None or cursor.epoch != self.epoch or cursor.position >= self.position
        self.epoch, self.position = cursor.epoch, cursor.position
        following = self.expected()
        assert following is None or self.scope.position(following) > cursor.position, "the cursor skips an event"
        if self.whole:
            assert self.tasks == self.truth(cursor.position), "the events or the snapshot are not the whole truth"

    def truth(self, through: int) -> dict[int, Task]:
        """Return the tasks that it should know at a position."""
        seen = [
            event
            for event in self.log.history
            if self.scope.user_id in (None, event.user_id)
            and self.scope.shows(event.task.task_id)
            and self.scope.position(event) <= through
        ]
        return fold(seen)

    def _check_gap(self, reason: GapReason | None) -> None:
        """Check that a snapshot, or an error, is justified."""
        asked, head = self._asked, self.log.head_of(self.scope.user_id)
        match reason:
            case None:
                assert asked is None
                assert self.snapshot
            case GapReason.EPOCH_CHANGED:
                assert asked is not None
                assert asked.epoch != self.log.epoch
            case GapReason.CURSOR_TOO_OLD:
                # A replay in progress may be overtaken by compaction; its current position counts.
                assert self.position is not None
                assert self.position < head.compacted
            case GapReason.CURSOR_IN_FUTURE:
                raise AssertionError("no reader has a cursor in the future")
