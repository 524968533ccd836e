"""What every store offers. `tests/contract/store` holds each backend to it.

Invariants, whatever happens:

I1  ``revision`` orders the whole log, gap-free; whoever sees revision r sees every smaller one.
I2  ``seq`` numbers one user's events 1, 2, 3 … without a gap.
I3  No state change without its event, no event without its state change.
I4  A worker whose ``(lease_owner, attempt)`` is no longer the row's can change nothing.
I5  The limits of running and of pending tasks per user hold under any number of workers.
I6  The same ``(user_id, idempotency_key)`` is the same task; with another request it is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from generator_service.domain.errors import EngineError
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Lease, NewTask, ResultInfo, Task, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one user may have at once, and how fast a refused one may come back."""

    pending_per_user: int = 1000
    running_per_user: int = 4
    retry_after: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The task that stands for a request; ``deduplicated`` if its idempotency key was known.

    ``reused`` if it is a completed one of the same picture.
    """

    task: Task
    deduplicated: bool
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life from a worker for one of its tasks, with the progress to keep."""

    lease: Lease
    percent: int
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the log ends, and how far back it reaches.

    ``position`` is the latest revision (or a user's latest seq), 0 for none; ``compacted`` the highest one that
    has been deleted: every event above it is there.
    """

    epoch: str
    position: int
    compacted: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a position, oldest first, and the head they were read at, in one transaction."""

    events: Sequence[TaskEvent]
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Tasks as they stood at one moment of the log."""

    tasks: Sequence[Task]
    revision: int
    head: Head
    """The head of the user's log, or of the whole log where the snapshot is of all users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of a user's tasks, newest first."""

    tasks: Sequence[Task]
    total: int
    head: Head
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """The queue in figures."""

    by_state: dict[TaskState, int]
    oldest_runnable: datetime | None
    """Since when the task has been waiting that could have run for longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What compaction keeps."""

    events_for: timedelta = timedelta(hours=24)
    events_per_user: int = 1000
    """At least this many of each user's latest events are kept, however old."""


class Claimant(Protocol):
    """A worker of this process that takes tasks as soon as they are runnable. Its methods are safe from any thread."""

    @property
    def owner(self) -> str:
        """Name of the worker."""
        ...

    @property
    def lease_for(self) -> timedelta:
        """How long its leases hold."""
        ...

    def reserve(self) -> int:
        """Take all free slots; return how many."""
        ...

    def deliver(self, tasks: Sequence[Task], reserved: int) -> None:
        """Take over claimed tasks, which are committed; what was reserved beyond them is free again."""
        ...


class TaskStore(Protocol):
    """Tasks and their log. Every method is safe to call from the event loop and does not block it."""

    async def enqueue(self, new: NewTask) -> Enqueued:
        """Store a new task, or find it by its idempotency key.

        Where the request may ``reuse`` a stored result, the user's latest completed task of the same ``picture_key``
        is returned in place of a new one; no key is noted then.

        Raises:
            IdempotencyConflict: the key stands for another request.
            QuotaExceeded: the user has too many tasks pending.

        """
        ...

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Sequence[Task]:
        """Give up to ``limit`` runnable tasks to a worker.

        Higher priority first, then the user with fewest running, then age.
        """
        ...

    def claim_along(self, claimant: Claimant) -> None:
        """Let a worker's claims ride along: they are made in the same transaction that makes a task runnable."""
        ...

    async def heartbeat(self, beats: Sequence[Beat], *, lease_for: timedelta) -> Collection[Lease]:
        """Prolong leases and keep the progress; return those that are lost."""
        ...

    async def complete(self, lease: Lease, result: ResultInfo) -> Task:
        """End a task with its picture.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def fail(self, lease: Lease, failure: EngineError) -> Task:
        """End an attempt without a picture: the retry policy says whether the task waits again or fails.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def time_out(self, lease: Lease) -> Task:
        """End a task whose attempt ran too long.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def release(self, lease: Lease) -> Task:
        """Give a task back unfinished, to be run again at once: its worker shuts down. Costs no attempt's backoff.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def cancel(self, task_id: int, user_id: str | None) -> Task:
        """Cancel a task; a cancelled one is returned as it is. ``user_id`` None means whoever owns it.

        Raises:
            TaskNotFound: there is none, or it is not this user's.
            InvalidTransition: it ended in another state.

        """
        ...

    async def requeue_expired(self) -> Sequence[Task]:
        """Take tasks from workers whose leases ran out; they wait again, or fail if it was their last attempt."""
        ...

    async def get(self, task_id: int, user_id: str | None) -> Task:
        """Read a task. ``user_id`` None means whoever owns it.

        Raises:
            TaskNotFound: there is none, or it is not this user's.

        """
        ...

    async def list_tasks(
        self, user_id: str, *, states: Collection[TaskState], before: int | None, skip: int, limit: int
    ) -> TaskPage:
        """Read a user's tasks with an id below ``before``, newest first. No ``states`` means all."""
        ...

    async def events_after(self, revision: int, *, limit: int) -> EventPage:
        """Read the whole log after ``revision``."""
        ...

    async def user_events_after(self, user_id: str, seq: int, *, limit: int, through: int | None = None) -> EventPage:
        """Read a user's log after ``seq``, no further than revision ``through``."""
        ...

    async def latest_events(self, limit: int) -> EventPage:
        """Read the end of the log, oldest first."""
        ...

    async def snapshot(self, user_id: str | None) -> Snapshot:
        """Read all kept tasks of a user (or of all), and the head they stood at."""
        ...

    async def unfinished(self) -> Snapshot:
        """Read all tasks that are not terminal, and the head they stood at."""
        ...

    async def next_run_at(self, *, after: datetime) -> datetime | None:
        """Read when the next of those tasks becomes runnable that were not yet at ``after``; None if there is none."""
        ...

    async def counts(self) -> QueueCounts:
        """Count the queue."""
        ...

    async def compact(self, retention: Retention) -> int:
        """Delete events that need not be kept; return how many."""
        ...

    async def finished_before(self, cutoff: datetime, *, limit: int) -> Sequence[Task]:
        """Read terminal tasks that ended before ``cutoff``."""
        ...

    async def named_blobs(self, keys: Collection[str]) -> Collection[str]:
        """Return those of these keys that a task names as its photo, its result or its thumbnail; up to 1000."""
        ...

    async def forget(self, task_ids: Collection[int]) -> None:
        """Delete terminal tasks. Their events stay until compaction."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        ...
