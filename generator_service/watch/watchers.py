"""The open watchers of this process, and the pending updates of each."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from generator_service.domain.errors import SessionExpired, SessionRevoked, ShuttingDown, SlowConsumer, WhitebgError
from generator_service.domain.event import TaskEvent
from generator_service.domain.revocation import Revocation, Session
from generator_service.domain.task import Progress


@dataclass(frozen=True, slots=True)
class Scope:
    """A watcher's scope: one user's tasks, or (``user_id`` None) those of all users; ``task_ids`` None means all."""

    user_id: str | None
    task_ids: frozenset[int] | None = None

    def position(self, event: TaskEvent) -> int:
        """Return where an event stands in this scope's log: its seq, or its revision."""
        return event.revision if self.user_id is None else event.seq

    def shows(self, task_id: int) -> bool:
        """Return whether a task is among those asked for."""
        return self.task_ids is None or task_id in self.task_ids


@dataclass(frozen=True, slots=True)
class PendingUpdates:
    """What gathered for a watcher; ``position`` is how far the log was read for it, filtered events included.

    With ``resync`` there is nothing else: the next events need not follow those taken before.
    """

    events: Sequence[TaskEvent]
    progress: Sequence[Progress]
    position: int | None
    resync: bool = False
    revocations: Sequence[Revocation] = ()
    queue_changed: bool = False
    """Whether something about the queue changed that no event reports."""


class Watcher:
    """A bounded queue of durable events, and one slot of progress per task.

    Progress is replaced by newer progress and by any event of its task; events are never dropped: a watcher that
    has more than ``limit`` of them waiting is cut off.
    """

    def __init__(self, scope: Scope, limit: int, session: Session | None = None) -> None:
        self.scope = scope
        self.session = session
        """Of the token that the watch was opened with; None if there is none."""
        self._limit = limit
        self._events: deque[TaskEvent] = deque()
        self._progress: dict[int, Progress] = {}
        self._position: int | None = None
        self._revocations: tuple[Revocation, ...] = ()
        self._queue_changed = False
        self._ended: WhitebgError | None = None
        self._resync = False
        self._ready = asyncio.Event()

    def push(self, event: TaskEvent) -> None:
        """Take an event of this scope's log."""
        self._position = self.scope.position(event)
        if self._ended is not None or not self.scope.shows(event.task.task_id):
            return
        self._progress.pop(event.task.task_id, None)
        if len(self._events) >= self._limit:
            self.cut_off()
            return
        self._events.append(event)
        self._ready.set()

    def push_progress(self, progress: Progress) -> None:
        """Take the latest progress of a task."""
        if self._ended is not None or not self.scope.shows(progress.task_id):
            return
        if progress.task_id not in self._progress and len(self._progress) >= self._limit:
            return
        self._progress[progress.task_id] = progress
        self._ready.set()

    def push_revocations(self, revocations: Sequence[Revocation]) -> None:
        """Take ends of sessions; only where all users are watched."""
        if self._ended is not None:
            return
        if len(self._revocations) + len(revocations) > self._limit:
            self.cut_off()
            return
        self._revocations = (*self._revocations, *revocations)
        self._ready.set()

    def push_queue_change(self) -> None:
        """Take a hint that something about the queue changed; hints are merged."""
        self._queue_changed = True
        self._ready.set()

    def cut_off(self) -> None:
        """Let the next `take` raise, because updates were dropped."""
        self.end(SlowConsumer(self._limit))

    def end(self, error: WhitebgError) -> None:
        """Let the next `take` raise this error; the first one stands."""
        self._ended = self._ended or error
        self._events.clear()
        self._progress.clear()
        self._revocations = ()
        self._ready.set()

    def resync(self) -> None:
        """Drop pending updates, and let the next `take` report that the log must be read from the last position."""
        self._resync = True
        self._position = None
        self._events.clear()
        self._progress.clear()
        self._ready.set()

    async def take(self, timeout: float, limit: int) -> PendingUpdates:
        """Wait for updates for at most ``timeout`` seconds; return up to ``limit`` events and all progress.

        Raises:
            SessionExpired: the token or API key that opened the watch has expired.
            SessionRevoked: the session that opened the watch was ended.
            ShuttingDown: the service ends.
            SlowConsumer: the watcher was cut off.

        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            # Updates may have arrived at the moment of the timeout.
            if not self._ready.is_set():
                return PendingUpdates((), (), self._position)
        if self._ended is not None:
            raise self._ended
        revocations, self._revocations = self._revocations, ()
        queue_changed, self._queue_changed = self._queue_changed, False
        if self._resync:
            self._resync = False
            if not self._events and not self._progress:
                self._ready.clear()
            return PendingUpdates((), (), None, resync=True, revocations=revocations, queue_changed=queue_changed)
        events = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if self._events:
            position = self.scope.position(events[-1])
            return PendingUpdates(events, (), position, revocations=revocations, queue_changed=queue_changed)
        progress = list(self._progress.values())
        self._progress.clear()
        self._ready.clear()
        return PendingUpdates(events, progress, self._position, revocations=revocations, queue_changed=queue_changed)


class Watchers:
    """All open watchers of this process, found by user."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_all: set[Watcher] = set()
        self._of_user: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._closed = False

    def __len__(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_user.values()))

    @contextmanager
    def open(self, scope: Scope, session: Session | None = None) -> Iterator[Watcher]:
        """Register a watcher for all events that the tail dispatches from now on."""
        watcher = Watcher(scope, self._limit, session)
        if self._closed:
            watcher.end(ShuttingDown())
        user_id = scope.user_id
        (self._of_all if user_id is None else self._of_user[user_id]).add(watcher)
        try:
            yield watcher
        finally:
            if user_id is None:
                self._of_all.remove(watcher)
            else:
                self._of_user[user_id].remove(watcher)
                if not self._of_user[user_id]:
                    del self._of_user[user_id]

    def watched(self, user_id: str) -> bool:
        """Return whether a watcher covers this user's tasks."""
        return bool(self._of_all) or user_id in self._of_user

    def push(self, events: Sequence[TaskEvent]) -> None:
        """Pass events to their watchers."""
        for event in events:
            for watcher in self._of_all:
                watcher.push(event)
            for watcher in self._of_user.get(event.user_id, ()):
                watcher.push(event)

    def push_progress(self, progress: Progress) -> None:
        """Pass progress to its watchers."""
        for watcher in self._of_all:
            watcher.push_progress(progress)
        for watcher in self._of_user.get(progress.user_id, ()):
            watcher.push_progress(progress)

    def push_revocations(self, revocations: Sequence[Revocation]) -> None:
        """Pass ended sessions to the watchers of all users."""
        for watcher in self._of_all:
            watcher.push_revocations(revocations)

    def push_queue_change(self) -> None:
        """Hint the watchers of all users that something about the queue changed that no event reports."""
        for watcher in self._of_all:
            watcher.push_queue_change()

    def end_revoked(self, revoked: Callable[[Session], bool]) -> None:
        """End the watchers whose session was ended."""
        self._end(revoked, SessionRevoked)

    def end_expired(self, now: datetime) -> None:
        """End the watchers whose token or API key has expired."""
        self._end(lambda session: session.expired(now), SessionExpired)

    def _end(self, ended: Callable[[Session], bool], error: Callable[[], WhitebgError]) -> None:
        for watcher in self._of_all.union(*self._of_user.values()):
            if watcher.session is not None and ended(watcher.session):
                watcher.end(error())

    def close(self) -> None:
        """End all watchers, and those that are opened later, once they have caught up."""
        self._closed = True
        for watcher in self._of_all.union(*self._of_user.values()):
            watcher.end(ShuttingDown())

    def resync_all(self) -> None:
        """Let all watchers read the log from their last position."""
        for watcher in self._of_all.union(*self._of_user.values()):
            watcher.resync()
