"""An in-memory log with the reads that a feed and a tail need, each of which can be delayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar, cast

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.notifier.local import LocalNotifier
from generator_service.store.contract import TaskStore
from generator_service.store.views import EventPage, Head, SnapshotPage
from generator_service.watch.feed import Feeds
from generator_service.watch.ring import EventRing
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import Watchers
from tests.support.clock import NOON
from tests.support.store import RESULT, fold, new_task

T = TypeVar("T")


class LogDouble:
    """Answers as a store would. `history` keeps compacted events too."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.history: list[TaskEvent] = []
        self.compacted: dict[str, int] = {}
        self.compacted_revision = 0
        self.reads = 0
        self.failure: Exception | None = None
        self.refused = asyncio.Event()
        self.holding = asyncio.Event()
        """Set once a read is held."""
        self._held: asyncio.Event | None = None

    def as_store(self) -> TaskStore:
        """Return this double as the store, for code that only reads the log."""
        return cast("TaskStore", self)

    # writing

    def create(self, user: str) -> Task:
        """Write a new task."""
        task_id = 1 + max((event.task.task_id for event in self.history), default=0)
        return self._write(EventType.CREATED, transitions.create(new_task(user), task_id=task_id, at=self._at()))

    def advance(self, task: Task) -> Task:
        """Start a pending task, or complete a running one; return it."""
        if task.state is TaskState.PENDING:
            started = transitions.start(task, owner="w", lease_expires_at=self._at(), at=self._at())
            return self._write(EventType.STARTED, started)
        return self._write(EventType.COMPLETED, transitions.complete(task, result=RESULT, at=self._at()))

    def _write(self, event: EventType, task: Task) -> Task:
        task = replace(task, seq=self.user_head(task.user_id).position + 1)
        self.history.append(TaskEvent(revision=len(self.history) + 1, type=event, task=task))
        return task

    def _at(self) -> datetime:
        return NOON + timedelta(seconds=len(self.history))

    def compact(self, user: str, keep: int) -> None:
        """Delete a user's events but the last ``keep``."""
        doomed = [event for event in self.history if event.user_id == user]
        doomed = doomed[: max(0, len(doomed) - keep)]
        if doomed and doomed[-1].seq > self.compacted.get(user, 0):
            self.compacted[user] = doomed[-1].seq
            self.compacted_revision = max(self.compacted_revision, doomed[-1].revision)

    async def renew_epoch(self, seen: str) -> None:
        """Change the epoch if it is still this one."""
        if self.epoch == seen:
            self.epoch += "0"

    def rewind(self, revision: int) -> None:
        """Lose the events after a revision, as a restore or a lagging replica does."""
        del self.history[revision:]

    # inspecting

    def kept(self) -> list[TaskEvent]:
        """Return the events that are not compacted."""
        return [event for event in self.history if event.seq > self.compacted.get(event.user_id, 0)]

    def head(self) -> Head:
        """Return the head of the whole log."""
        return Head(epoch=self.epoch, position=len(self.history), compacted=self.compacted_revision)

    def user_head(self, user_id: str) -> Head:
        """Return the head of one user's log."""
        position = sum(event.user_id == user_id for event in self.history)
        return Head(epoch=self.epoch, position=position, compacted=self.compacted.get(user_id, 0))

    def head_of(self, user_id: str | None) -> Head:
        """Return the head of a scope's log."""
        return self.head() if user_id is None else self.user_head(user_id)

    # reading

    def hold(self) -> None:
        """Make reads from now on see the current state, and answer later."""
        if self._held is None:
            self._held = asyncio.Event()

    def let_go(self) -> None:
        """Release all held reads."""
        if self._held is not None:
            self._held.set()
            self._held = None

    async def _answer(self, answer: T) -> T:
        self.reads += 1
        if self.failure is not None:
            self.refused.set()
            raise self.failure
        if self._held is not None:
            self.holding.set()
            await self._held.wait()
        return answer

    async def events_after(self, revision: int, *, limit: int) -> EventPage:
        """Read the whole log."""
        events = [event for event in self.kept() if event.revision > revision]
        return await self._answer(EventPage(events[:limit], self.head()))

    async def user_events_after(self, user_id: str, seq: int, *, limit: int) -> EventPage:
        """Read one user's log."""
        events = [event for event in self.kept() if event.user_id == user_id and event.seq > seq]
        return await self._answer(EventPage(events[:limit], self.user_head(user_id)))

    async def latest_events(self, limit: int) -> EventPage:
        """Read the end of the log."""
        return await self._answer(EventPage(self.kept()[-limit:], self.head()))

    async def snapshot(self, user_id: str | None, *, page_size: int) -> AsyncGenerator[SnapshotPage]:
        """Read the tasks."""
        known = sorted(fold(self.history).values(), key=lambda task: task.task_id)
        tasks = [task for task in known if user_id in (None, task.user_id)]
        head = self.head_of(user_id)
        revision = len(self.history)
        for start in range(0, max(1, len(tasks)), page_size):
            page = tasks[start : start + page_size]
            yield await self._answer(SnapshotPage(tasks=page, revision=revision, head=head))


class Process:
    """One service process: a tail, a ring and watchers over the log."""

    def __init__(self, log: LogDouble, *, queue: int = 100, ring: int = 100, batch: int = 500) -> None:
        self.log = log
        self.ring = EventRing(ring)
        self.watchers = Watchers(queue)
        self.told: list[TaskEvent] = []
        self.gaps = 0
        self.wake = LocalNotifier(asyncio.get_running_loop())
        self.tail = LogTail(
            log.as_store(),
            self.wake,
            listeners=[self.ring.extend, self.watchers.push, self._tell],
            on_gap=self._start_over,
        )
        self.feeds = Feeds(
            log.as_store(), self.tail, self.ring, self.watchers, lambda task: task, batch=batch, snapshot_page=batch
        )
        self._ring_size = ring

    async def start(self) -> Process:
        """Start as the service does."""
        await self.tail.start(prefill=self._ring_size)
        return self

    def _tell(self, events: Sequence[TaskEvent]) -> None:
        self.told += events

    async def _start_over(self) -> None:
        self.gaps += 1
        self.ring.clear()
        self.watchers.resync_all()
