"""What tests of the store need: task builders, a listener of commits, and the audit of the log."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import select

from generator_service.domain.errors import EngineError
from generator_service.domain.event import TaskEvent
from generator_service.domain.report import Check, Report, Verdict
from generator_service.domain.task import (
    Engine,
    InputInfo,
    Lease,
    NewTask,
    OutputFormat,
    ResultInfo,
    Task,
    TaskOptions,
    TaskState,
)
from generator_service.store.contract import Head
from generator_service.store.sql import SqlTaskStore
from generator_service.store.tables import users
from tests.support.clock import SettableClock

LEASE = timedelta(seconds=15)
PHOTO = InputInfo(
    filename="杯子 cup.jpg", format="JPEG", width=1200, height=900, size_bytes=7, sha256="ab" * 32, blob="input/1"
)
RESULT = ResultInfo(
    engine=Engine.LOCAL,
    format=OutputFormat.PNG,
    width=1000,
    height=1000,
    size_bytes=5,
    sha256="cd" * 32,
    fill=0.851,
    confidence=0.97,
    warnings=("the product touches the edge",),
    report=Report(
        preset="jd",
        checks=(
            Check(name="border", verdict=Verdict.PASSED, value=0, limit="exactly 255, 255, 255"),
            Check(name="format", verdict=Verdict.FAILED, limit="JPEG", message="The market does not take PNG."),
        ),
    ),
    blob="result/1",
    thumbnail_blob="thumbnail/1",
    thumbnail_bytes=3,
)


def new_task(
    user: str = "ann",
    *,
    key: str | None = None,
    fingerprint: str = "same",
    priority: int = 0,
    max_attempts: int = 3,
    picture_key: str | None = None,
    reuse: bool = False,
) -> NewTask:
    """Make a request for a task."""
    return NewTask(
        user_id=user,
        options=TaskOptions(preset="amazon", fill=0.86),
        input=PHOTO,
        idempotency_key=key,
        fingerprint=fingerprint,
        picture_key=picture_key,
        reuse=reuse,
        priority=priority,
        timeout=timedelta(seconds=60, microseconds=1),
        max_attempts=max_attempts,
    )


def failure(
    *, retryable: bool = True, retry_after: timedelta | None = None, max_attempts: int | None = None
) -> EngineError:
    """Make an engine's failure."""
    return EngineError("busy", "is busy", retryable=retryable, retry_after=retry_after, max_attempts=max_attempts)


class Commits:
    """Notes what each commit brought, and can hold up the writer, so that what waits becomes one batch."""

    def __init__(self) -> None:
        self.batches: list[Sequence[TaskEvent]] = []
        self._open = threading.Event()
        self._open.set()
        self._stuck = threading.Event()

    def __call__(self, events: Sequence[TaskEvent]) -> None:
        """Take note; wait while held."""
        self.batches.append(events)
        if not self._open.is_set():
            self._stuck.set()
        assert self._open.wait(30), "the test never let the writer go on"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the next commit, and with it the writer, wait until the block is left."""
        self._stuck.clear()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def go_on(self) -> None:
        """Let the writer go on before the block of `held` is left."""
        self._open.set()

    async def stuck(self) -> None:
        """Wait until the writer is held up, its commit done and its caller not told yet."""
        assert await asyncio.to_thread(self._stuck.wait, 30), "nothing was committed"


@dataclass
class Desk:
    """A store, and what it was opened with."""

    store: SqlTaskStore
    clock: SettableClock
    commits: Commits = field(default_factory=Commits)

    async def add(self, user: str = "ann", *, priority: int = 0, max_attempts: int = 3) -> Task:
        """Enqueue a task."""
        return (await self.store.enqueue(new_task(user, priority=priority, max_attempts=max_attempts))).task

    async def claim(self, owner: str = "w1", limit: int = 1) -> Sequence[Task]:
        """Claim tasks for a worker."""
        return await self.store.claim(owner, limit=limit, lease_for=LEASE)

    async def running(self, user: str = "ann", *, max_attempts: int = 3, owner: str = "w1") -> Task:
        """Enqueue a task in an empty queue, and claim it."""
        added = await self.add(user, max_attempts=max_attempts)
        (task,) = await self.claim(owner)
        assert task.task_id == added.task_id
        return task

    async def ended(self, user: str = "ann") -> Task:
        """Enqueue a task in an empty queue, and complete it."""
        return await self.store.complete((await self.running(user)).lease, RESULT)


def lease(task: Task, *, owner: str | None = None, attempt: int | None = None) -> Lease:
    """Make a lease, right or wrong."""
    return Lease(task_id=task.task_id, owner=owner or task.lease.owner, attempt=attempt or task.attempt)


async def read_log(store: SqlTaskStore, *, page: int = 7) -> tuple[list[TaskEvent], Head]:
    """Read all that is kept of the log, page by page."""
    log: list[TaskEvent] = []
    while True:
        read = await store.events_after(log[-1].revision if log else 0, limit=page)
        log += read.events
        if len(read.events) < page:
            return log, read.head


def fold(events: Sequence[TaskEvent], start: Collection[Task] = ()) -> dict[int, Task]:
    """Return each task as its last event left it."""
    return {task.task_id: task for task in start} | {event.task.task_id: event.task for event in events}


def durable(tasks: Collection[Task]) -> dict[int, Task]:
    """Return the tasks without what a heartbeat may change between two events."""
    return {
        task.task_id: replace(task, progress=0, stage="", lease_expires_at=None)
        if task.state is TaskState.PROCESSING
        else task
        for task in tasks
    }


async def counters(store: SqlTaskStore) -> dict[str, tuple[int, int]]:
    """Read how many tasks of each user wait and run, as the users' rows have it."""
    rows = await store._read(lambda connection: connection.execute(select(users)).all())
    return {row.user_id: (row.pending, row.running) for row in rows}


async def audit(store: SqlTaskStore) -> list[TaskEvent]:
    """Check I1, I2 and I3 on a log of which nothing is compacted, and the counters behind I5; return the log."""
    log, head = await read_log(store)
    assert [event.revision for event in log] == list(range(1, head.position + 1)), "I1: revisions have a gap"
    by_user: dict[str, list[int]] = {}
    for event in log:
        by_user.setdefault(event.user_id, []).append(event.seq)
    for user, seqs in by_user.items():
        assert seqs == list(range(1, len(seqs) + 1)), f"I2: the seqs of {user} have a gap"
        assert (await store.user_events_after(user, 0, limit=1)).head.position == len(seqs)
    tasks = (await store.snapshot(None)).tasks
    assert durable(fold(log).values()) == durable(tasks), "I3: log and rows differ"
    await audit_counters(store, tasks)
    return log


async def audit_counters(store: SqlTaskStore, tasks: Sequence[Task]) -> None:
    """Check that the users' rows count their tasks rightly."""
    states = Counter((task.user_id, task.state) for task in tasks)
    for user, counted in (await counters(store)).items():
        assert counted == (states[user, TaskState.PENDING], states[user, TaskState.PROCESSING]), f"I5: {user}"
