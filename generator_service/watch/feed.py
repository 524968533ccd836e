"""The stream of one watcher: replay or snapshot, then live, without gap or repetition between them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum, auto

from generator_service.domain.cursor import Cursor, LogCursor, UserCursor
from generator_service.domain.errors import CursorGap, GapReason
from generator_service.domain.event import TaskEvent
from generator_service.domain.revocation import Revocation, Session
from generator_service.domain.task import Progress, Task
from generator_service.store.contract import TaskStore
from generator_service.store.views import EventPage, Head
from generator_service.watch.ring import EventRing
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import PendingUpdates, Scope, Watcher, Watchers

BATCH = 500
SNAPSHOT_PAGE = 50
"""Tasks of a snapshot sent at once: the first of them after a few milliseconds."""
BOOKMARK_SECONDS = 20.0
"""The contract promises one every 30 s at least."""


class OnGap(Enum):
    """What to do when a cursor can't be resumed."""

    SNAPSHOT = auto()
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class SnapshotBegin:
    """Tasks as they stand follow; ``reason`` None means that the watcher asked for them."""

    reason: GapReason | None


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """The snapshot is complete."""

    task_count: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A cursor without updates; ``caught_up`` when live updates follow."""

    caught_up: bool


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """A hint: something about the queue changed that no event reports."""


Item = TaskEvent | Progress | Task | SnapshotBegin | SnapshotEnd | Bookmark | Revocation | QueueChanged


@dataclass(frozen=True, slots=True)
class Batch:
    """Updates, and the cursor to resume from after them; None inside a snapshot."""

    items: Sequence[Item]
    cursor: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What to watch, and from where; ``after`` None means from now, or from a snapshot if asked for."""

    scope: Scope
    after: Cursor | None = None
    on_gap: OnGap = OnGap.SNAPSHOT
    snapshot: bool = False
    stop_at_head: bool = False
    session: Session | None = None
    """Of the watcher's token; the watch ends with it."""


def check_cursor(after: Cursor, head: Head) -> None:
    """Check that all events after a cursor are there.

    Raises:
        CursorGap: they are not; the error has the reason and the log's range.

    """
    if after.epoch != head.epoch:
        reason = GapReason.EPOCH_CHANGED
    elif after.position > head.position:
        reason = GapReason.CURSOR_IN_FUTURE
    elif after.position < head.compacted:
        reason = GapReason.CURSOR_TOO_OLD
    else:
        return
    oldest, newest = type(after)(head.epoch, head.compacted), type(after)(head.epoch, head.position)
    raise CursorGap(reason, cursor=str(after), oldest=str(oldest), head=str(newest), epoch=head.epoch)


def _beside_log(pending: PendingUpdates) -> list[Item]:
    """Return the updates that belong to no log, so that no cursor covers them."""
    return [*pending.revocations, *([QueueChanged()] if pending.queue_changed else [])]


class LogBroken(Exception):
    """Events that must follow one another do not: the watcher is ended rather than shown a hole."""


@dataclass(slots=True)
class ReplayCount:
    """How replays and snapshots were served, since the process started."""

    from_ring: int = 0
    from_database: int = 0


@dataclass(slots=True)
class Feeds:
    """Makes feeds.

    ``present`` adds the state in memory to a task, such as its latest progress; ``batch`` is how many
    events, and ``snapshot_page`` how many tasks of a snapshot, are read and sent at once.
    """

    store: TaskStore
    tail: LogTail
    ring: EventRing
    watchers: Watchers
    present: Callable[[Task], Task]
    count: ReplayCount = field(default_factory=ReplayCount)
    batch: int = BATCH
    snapshot_page: int = SNAPSHOT_PAGE

    async def watch(self, request: WatchRequest) -> AsyncIterator[Batch]:
        """Yield batches without end, or to the head.

        Raises:
            CursorGap: the cursor can't be resumed and the request has ``FAIL``.
            SessionRevoked: the session was ended.
            SlowConsumer: the batches are not taken fast enough; the last cursor still resumes exactly.
            SlowSnapshot: the same within a snapshot, which has no cursor before its end.
            DatabaseUnavailable: history can't be read, or no further within a snapshot.

        """
        with self.watchers.open(request.scope, request.session) as watcher:
            feed = _Feed(self, watcher, request)
            async for batch in feed.catch_up():
                yield batch
            if request.stop_at_head:
                return
            async for batch in feed.live():
                yield batch


class _Feed:
    """One watcher's way along its log. ``_position`` is the last event passed on; all later ones are still to come."""

    def __init__(self, feeds: Feeds, watcher: Watcher, request: WatchRequest) -> None:
        self._feeds = feeds
        self._watcher = watcher
        self._request = request
        self._scope = request.scope
        self._batch = feeds.batch
        self._epoch = ""
        self._position = 0

    async def catch_up(self) -> AsyncIterator[Batch]:
        """Yield the updates up to the watcher's start, and a bookmark."""
        request = self._request
        if request.after is None and not request.snapshot:
            self._set_position((await self._read(0, limit=1)).head)
        elif request.after is None:
            async for batch in self._snapshot(None):
                yield batch
        else:
            async for batch in self._resume(request.after):
                yield batch
        yield Batch([Bookmark(caught_up=True)], self._cursor())

    async def live(self) -> AsyncIterator[Batch]:
        """Yield what happens from now on."""
        next_bookmark = time.monotonic() + BOOKMARK_SECONDS
        while True:
            news = await self._watcher.take(max(0.0, next_bookmark - time.monotonic()), self._batch)
            if news.resync or self._misses(news.events):
                if beside := _beside_log(news):
                    yield Batch(beside, self._cursor())
                async for batch in self._resume(self._cursor()):
                    yield batch
                yield Batch([Bookmark(caught_up=True)], self._cursor())
                continue
            items: list[Item] = [*_beside_log(news), *self._advance(news.events), *news.progress]
            if news.position is not None:
                self._position = max(self._position, news.position)
            if not items:
                if time.monotonic() < next_bookmark:
                    continue
                items.append(Bookmark(caught_up=False))
            next_bookmark = time.monotonic() + BOOKMARK_SECONDS
            yield Batch(items, self._cursor())

    async def _resume(self, after: Cursor) -> AsyncIterator[Batch]:
        """Yield what follows a cursor, or the tasks as they stand where that can't be resumed."""
        try:
            async for batch in self._replay(await self._first_page(after)):
                yield batch
        except CursorGap as gap:
            if self._request.on_gap is OnGap.FAIL:
                raise
            async for batch in self._snapshot(gap.reason):
                yield batch

    async def _first_page(self, after: Cursor) -> Sequence[TaskEvent]:
        """Read what follows the cursor, from memory where that holds all of it."""
        remembered = self._remembered(after)
        if remembered is not None and self._request.stop_at_head:
            # Memory ends at the tail, and another process may have committed more before this request.
            await self._feeds.tail.reach_head()
            remembered = self._remembered(after)
        if remembered is not None:
            self._feeds.count.from_ring += 1
            events: Sequence[TaskEvent] = remembered
        else:
            page = await self._read(after.position)
            check_cursor(after, page.head)
            self._feeds.count.from_database += 1
            events = page.events
        self._epoch, self._position = after.epoch, after.position
        return events

    def _remembered(self, after: Cursor) -> Sequence[TaskEvent] | None:
        if after.epoch != self._feeds.tail.epoch:
            return None
        if self._scope.user_id is None:
            return self._feeds.ring.after_revision(after.position)
        return self._feeds.ring.of_user_after(self._scope.user_id, after.position)

    async def _replay(self, page: Sequence[TaskEvent]) -> AsyncIterator[Batch]:
        while page:
            for start in range(0, len(page), self._batch):
                items = self._advance(page[start : start + self._batch])
                if items:
                    yield Batch(items, self._cursor())
            # A page from memory reaches to the tail, and the watcher has received everything after it.
            if len(page) != self._batch:
                return
            following = await self._read(self._position)
            # A slow reader may have been overtaken by compaction since the page before.
            check_cursor(self._cursor(), following.head)
            page = following.events

    async def _snapshot(self, reason: GapReason | None) -> AsyncIterator[Batch]:
        """Yield the tasks as they stand at one head of the log, page by page as they are read."""
        feeds, shown, head = self._feeds, 0, None
        feeds.count.from_database += 1
        async with aclosing(feeds.store.snapshot(self._scope.user_id, page_size=feeds.snapshot_page)) as pages:
            async for page in pages:
                if head is None:
                    head = page.head
                    yield Batch([SnapshotBegin(reason)], None)
                if tasks := [feeds.present(task) for task in page.tasks if self._scope.shows(task.task_id)]:
                    shown += len(tasks)
                    yield Batch(tasks, None)
        assert head is not None  # noqa: S101 (a snapshot has at least one page)
        self._set_position(head)
        yield Batch([SnapshotEnd(shown)], self._cursor())

    async def _read(self, position: int, *, limit: int | None = None) -> EventPage:
        limit = limit or self._batch
        if self._scope.user_id is None:
            return await self._feeds.store.events_after(position, limit=limit)
        return await self._feeds.store.user_events_after(self._scope.user_id, position, limit=limit)

    def _advance(self, events: Sequence[TaskEvent]) -> list[Item]:
        """Move along the log; return the events that are new and asked for."""
        items: list[Item] = []
        for event in events:
            position = self._scope.position(event)
            if position <= self._position:
                continue
            if self._scope.task_ids is None and position != self._position + 1:
                raise LogBroken(f"event {position} came after {self._position} in the log of {self._scope.user_id}")
            self._position = position
            if self._scope.shows(event.task.task_id):
                items.append(event)
        return items

    def _misses(self, events: Sequence[TaskEvent]) -> bool:
        """Return whether events lie between the position and these.

        So it is where a user's log begins later than it was going to, because another user was deleted meanwhile.
        """
        following = (position for event in events if (position := self._scope.position(event)) > self._position)
        return self._scope.task_ids is None and next(following, self._position + 1) != self._position + 1

    def _set_position(self, head: Head) -> None:
        self._epoch, self._position = head.epoch, head.position

    def _cursor(self) -> Cursor:
        kind = LogCursor if self._scope.user_id is None else UserCursor
        return kind(self._epoch, self._position)
