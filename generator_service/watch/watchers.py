"""The open watchers of this process, and what each has yet to be told."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from generator_service.domain.errors import SlowConsumer
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Progress


@dataclass(frozen=True, slots=True)
class Scope:
    """What a watcher sees: one user's tasks, or (``user_id`` None) everybody's; ``task_ids`` None means all."""

    user_id: str | None
    task_ids: frozenset[int] | None = None

    def position(self, event: TaskEvent) -> int:
        """Return where an event stands in this scope's log: its seq, or its revision."""
        return event.revision if self.user_id is None else event.seq

    def shows(self, task_id: int) -> bool:
        """Return whether a task is among those asked for."""
        return self.task_ids is None or task_id in self.task_ids


@dataclass(frozen=True, slots=True)
class News:
    """What gathered for a watcher; ``position`` is how far the log was read for it, filtered events included."""

    events: Sequence[TaskEvent]
    progress: Sequence[Progress]
    position: int | None


class Watcher:
    """A bounded queue of durable events, and one slot of progress per task.

    Progress is replaced by newer progress and by any event of its task; events are never dropped: a watcher that
    has more than ``limit`` of them waiting is cut off.
    """

    def __init__(self, scope: Scope, limit: int) -> None:
        self.scope = scope
        self._limit = limit
        self._events: deque[TaskEvent] = deque()
        self._progress: dict[int, Progress] = {}
        self._position: int | None = None
        self._cut_off = False
        self._ready = asyncio.Event()

    def push(self, event: TaskEvent) -> None:
        """Take an event of this scope's log."""
        self._position = self.scope.position(event)
        if self._cut_off or not self.scope.shows(event.task.task_id):
            return
        self._progress.pop(event.task.task_id, None)
        if len(self._events) >= self._limit:
            self.cut_off()
            return
        self._events.append(event)
        self._ready.set()

    def push_progress(self, progress: Progress) -> None:
        """Take the latest progress of a task."""
        if self._cut_off or not self.scope.shows(progress.task_id):
            return
        if progress.task_id not in self._progress and len(self._progress) >= self._limit:
            return
        self._progress[progress.task_id] = progress
        self._ready.set()

    def cut_off(self) -> None:
        """Let the next `take` raise: what comes now can't be told any more."""
        self._cut_off = True
        self._events.clear()
        self._progress.clear()
        self._ready.set()

    async def take(self, timeout: float, limit: int) -> News:
        """Wait for news for at most ``timeout`` seconds; return up to ``limit`` events and all progress.

        Raises:
            SlowConsumer: the watcher was cut off.

        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            # News may have come in the very moment that the time was up.
            if not self._ready.is_set():
                return News((), (), self._position)
        if self._cut_off:
            raise SlowConsumer(self._limit)
        events = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if self._events:
            return News(events, (), self.scope.position(events[-1]))
        progress = list(self._progress.values())
        self._progress.clear()
        self._ready.clear()
        return News(events, progress, self._position)


class Watchers:
    """All open watchers of this process, found by user."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_all: set[Watcher] = set()
        self._of_user: defaultdict[str, set[Watcher]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_user.values()))

    @contextmanager
    def open(self, scope: Scope) -> Iterator[Watcher]:
        """Register a watcher: it is told all that the tail tells from now on."""
        watcher = Watcher(scope, self._limit)
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
        """Return whether anybody watches this user's tasks."""
        return bool(self._of_all) or user_id in self._of_user

    def push(self, events: Sequence[TaskEvent]) -> None:
        """Tell events to those who watch them."""
        for event in events:
            for watcher in self._of_all:
                watcher.push(event)
            for watcher in self._of_user.get(event.user_id, ()):
                watcher.push(event)

    def push_progress(self, progress: Progress) -> None:
        """Tell progress to those who watch it."""
        for watcher in self._of_all:
            watcher.push_progress(progress)
        for watcher in self._of_user.get(progress.user_id, ()):
            watcher.push_progress(progress)

    def cut_off_all(self) -> None:
        """End all watchers: they resume by their cursors."""
        for watcher in self._of_all.union(*self._of_user.values()):
            watcher.cut_off()
