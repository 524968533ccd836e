"""Helpers for tests of the store: task builders, a listener for commits, and the audit of the log."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from generator_service.domain.errors import EngineError
from generator_service.domain.event import TaskEvent
from generator_service.domain.finding import Finding, Region
from generator_service.domain.placement import Placement
from generator_service.domain.report import Check, Report, Verdict
from generator_service.domain.task import InputInfo, Lease, MaskInfo, NewTask, ResultInfo, Task, TaskState
from generator_service.domain.task_options import Engine, OutputFormat, TaskOptions
from generator_service.store.contract import TaskStore
from generator_service.store.sql import SqlTaskStore
from generator_service.store.tables import users
from generator_service.store.views import Head, QueueSnapshot, SnapshotPage
from tests.support.clock import SettableClock

LEASE = timedelta(seconds=15)
PHOTO = InputInfo(
    filename="杯子 cup.jpg", format="JPEG", width=1200, height=900, size_bytes=7, sha256="ab" * 32, blob="input/1"
)
MASK = MaskInfo(format="PNG", width=1200, height=900, size_bytes=11, sha256="ef" * 32, blob="mask/1")
RESULT = ResultInfo(
    engine=Engine.LOCAL,
    format=OutputFormat.PNG,
    width=1000,
    height=1000,
    size_bytes=5,
    sha256="cd" * 32,
    fill=0.851,
    confidence=0.97,
    findings=(
        Finding(
            code="product_touches_frame",
            message="the product touches the edge",
            region=Region(left=0.25, top=0.5, right=0.75, bottom=1.0),
        ),
        Finding(code="enlarged", message="the product was enlarged"),
    ),
    report=Report(
        preset="jd",
        checks=(
            Check(name="border", verdict=Verdict.PASSED, value=0, limit="exactly 255, 255, 255"),
            Check(name="format", verdict=Verdict.FAILED, limit="JPEG", message="The market does not take PNG."),
        ),
    ),
    placement=Placement(scale=0.5, x=-10.0, y=120.5, photo_width=1200, photo_height=900),
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
    **fields: Any,
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
        **fields,
    )


def queue_of(*tasks: Task) -> QueueSnapshot:
    """Make a snapshot of a queue in which no user has been served yet."""
    return QueueSnapshot(tasks=tasks, revision=0, started=0, served={})


def failure(
    *, retryable: bool = True, retry_after: timedelta | None = None, max_attempts: int | None = None
) -> EngineError:
    """Make an engine failure."""
    return EngineError("busy", "is busy", retryable=retryable, retry_after=retry_after, max_attempts=max_attempts)


class Commits:
    """Records the events of each commit, and can block the writer, so that pending writes become one batch."""

    def __init__(self) -> None:
        self.batches: list[Sequence[TaskEvent]] = []
        self._open = threading.Event()
        self._open.set()
        self._stuck = threading.Event()

    def __call__(self, events: Sequence[TaskEvent]) -> None:
        """Record the events; wait while blocked."""
        self.batches.append(events)
        if not self._open.is_set():
            self._stuck.set()
        assert self._open.wait(30), "the test never let the writer go on"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Block the writer in its next commit until the block is left."""
        self._stuck.clear()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def go_on(self) -> None:
        """Unblock the writer before the block of `held` is left."""
        self._open.set()

    async def stuck(self) -> None:
        """Wait until the writer is blocked: its commit is done, its caller not notified yet."""
        assert await asyncio.to_thread(self._stuck.wait, 30), "nothing was committed"


@dataclass
class StoreHarness:
    """A store, and the parameters that it was opened with."""

    store: SqlTaskStore
    clock: SettableClock
    commits: Commits = field(default_factory=Commits)

    async def add(self, user: str = "ann", *, priority: int = 0, max_attempts: int = 3) -> Task:
        """Enqueue a task."""
        return (await self.store.enqueue(new_task(user, priority=priority, max_attempts=max_attempts))).task

    async def claim(self, owner: str = "w1", limit: int = 1) -> Sequence[Task]:
        """Claim tasks for a worker."""
        return (await self.store.claim(owner, limit=limit, lease_for=LEASE)).tasks

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
    """Make a lease, valid or not."""
    return Lease(task_id=task.task_id, owner=owner or task.lease.owner, attempt=attempt or task.attempt)


async def read_log(store: SqlTaskStore, *, page: int = 7) -> tuple[list[TaskEvent], Head]:
    """Read the retained log, page by page."""
    log: list[TaskEvent] = []
    while True:
        read = await store.events_after(log[-1].revision if log else 0, limit=page)
        log += read.events
        if len(read.events) < page:
            return log, read.head


async def whole_snapshot(store: TaskStore, user_id: str | None = None, *, page_size: int = 7) -> SnapshotPage:
    """Read a snapshot, of all users by default, and return its pages as one."""
    async with aclosing(store.snapshot(user_id, page_size=page_size)) as reading:
        pages = [page async for page in reading]
    assert all((page.revision, page.head) == (pages[0].revision, pages[0].head) for page in pages), "of two moments"
    return replace(pages[0], tasks=[task for page in pages for task in page.tasks])


def fold(events: Sequence[TaskEvent], start: Collection[Task] = ()) -> dict[int, Task]:
    """Return each task as of its last event."""
    return {task.task_id: task for task in start} | {event.task.task_id: event.task for event in events}


def durable(tasks: Collection[Task]) -> dict[int, Task]:
    """Return the tasks without the fields that a heartbeat may change between two events."""
    return {
        task.task_id: replace(task, progress=0, stage="", lease_expires_at=None, attempt_usage=None)
        if task.state is TaskState.PROCESSING
        else task
        for task in tasks
    }


async def counters(store: SqlTaskStore) -> dict[str, tuple[int, int]]:
    """Read the counts of pending and running tasks from the users' rows."""
    rows = await store._read(lambda connection: connection.execute(select(users)).all())
    return {row.user_id: (row.pending, row.running) for row in rows}


async def stored_bytes(store: SqlTaskStore) -> dict[str, int]:
    """Read each user's image bytes from the users' rows."""
    rows = await store._read(lambda connection: connection.execute(select(users)).all())
    return {row.user_id: row.stored_bytes for row in rows}


async def audit(store: SqlTaskStore) -> list[TaskEvent]:
    """Check I1, I2 and I3 on an uncompacted log, and the counters behind I5; return the log."""
    log, head = await read_log(store)
    assert [event.revision for event in log] == list(range(1, head.position + 1)), "I1: revisions have a gap"
    by_user: dict[str, list[int]] = {}
    for event in log:
        by_user.setdefault(event.user_id, []).append(event.seq)
    for user, seqs in by_user.items():
        assert seqs == list(range(1, len(seqs) + 1)), f"I2: the seqs of {user} have a gap"
        assert (await store.user_events_after(user, 0, limit=1)).head.position == len(seqs)
    tasks = (await whole_snapshot(store)).tasks
    assert durable(fold(log).values()) == durable(tasks), "I3: log and rows differ"
    await audit_counters(store, tasks)
    return log


async def audit_counters(store: SqlTaskStore, tasks: Sequence[Task]) -> None:
    """Check that the users' rows count their tasks correctly."""
    states = Counter((task.user_id, task.state) for task in tasks)
    for user, counted in (await counters(store)).items():
        assert counted == (states[user, TaskState.PENDING], states[user, TaskState.PROCESSING]), f"I5: {user}"
