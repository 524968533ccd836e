"""What every store offers. `tests/contract/store` holds each backend to it.

Invariants, whatever happens:

I1  ``revision`` orders the whole log, gap-free; a reader that sees revision r sees every smaller one.
I2  ``seq`` numbers one user's events 1, 2, 3 … without a gap. The log of a new user begins after the numbers of all
    deleted users, so that no cursor is ever resumed in another log than its own.
I3  No state change without its event, no event without its state change.
I4  A worker whose ``(lease_owner, attempt)`` is no longer the row's can change nothing.
I5  The limits of running and of pending tasks per user hold under any number of workers.
I6  The same ``(user_id, idempotency_key)`` is the same task; with another request it is an error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker, Outage
from generator_service.domain.errors import EngineError
from generator_service.domain.readiness import Backlog
from generator_service.domain.task import Lease, NewTask, ResultInfo, Review, Task, TaskState
from generator_service.domain.usage import Usage
from generator_service.store.image_contract import ImageRecords
from generator_service.store.revocation_contract import RevocationStore
from generator_service.store.views import EventPage, QueueCounts, QueueSnapshot, SnapshotPage, TaskPage

if TYPE_CHECKING:
    from generator_service.store.admin_contract import AdminStore
    from generator_service.store.webhook_contract import WebhookStore

NO_IMAGES: Mapping[str, bytes] = MappingProxyType({})
LEASE = timedelta(seconds=15)
"""How long a worker may be silent, by default."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The task that stands for a request; ``deduplicated`` if its idempotency key was known.

    ``reused`` if it is a completed one of the same picture.
    """

    task: Task
    deduplicated: bool
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedTasks:
    """The tasks that were deleted, and the images that are to be removed with them."""

    task_ids: Sequence[int]
    images: Sequence[str]
    """Keys of images that no other task uses; they stay recorded until `TaskStore.end_image_deletions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedTasks:
    """The outcome of a decision on results."""

    task_ids: Sequence[int]
    """Tasks that have the decision now."""
    unfinished: Sequence[int]
    """Tasks without a result."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life from a worker for one of its tasks, with the progress to keep."""

    lease: Lease
    percent: int
    stage: str
    usage: Usage | None = None
    """Usage of the attempt so far; None leaves the stored one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that failed because the database was unavailable."""

    at: float
    """When, by `time.monotonic`."""
    message: str
    partial: bool
    """Whether smaller writes may succeed all the same, so that a probe that succeeds proves little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What compaction keeps."""

    events_for: timedelta = timedelta(hours=24)
    events_per_user: int = 1000
    """At least this many of each user's latest events are kept for longer."""
    tasks_for: timedelta = timedelta(days=30)
    """The longest that any event is kept, if that is longer than ``events_for``."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Tasks that a worker may run."""

    tasks: Sequence[Task] = ()
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    """The breakers by name, as the claim found and left them."""


class Claimant(Protocol):
    """A worker of this process that takes tasks as soon as they are runnable. Its methods are safe from any thread."""

    def reserve(self) -> int:
        """Take all free slots; return how many."""
        ...

    def deliver(self, claimed: Claimed, reserved: int) -> None:
        """Take over claimed and committed tasks; further reserved slots are released."""
        ...


class TaskStore(ImageRecords, RevocationStore, Protocol):
    """Tasks and their log. Every method is safe to call from the event loop and does not block it."""

    async def enqueue(self, new: NewTask, images: Mapping[str, bytes] = NO_IMAGES) -> Enqueued:
        """Store a new task, or find it by its idempotency key.

        ``images`` are its small ones, by key: they are stored with the row of a new task, and deleted with it.

        Where the request may ``reuse`` a stored result, the user's latest completed task of the same ``picture_key``
        is returned in place of a new one; a key stands for that task from then on.

        Raises:
            BatchClosed: no more tasks can be added to its batch.
            IdempotencyConflict: the key stands for another request.
            QuotaExceeded: the user has too many tasks pending.
            StorageQuotaExceeded: the user has too many bytes of images stored.

        """
        ...

    async def enqueue_all(self, news: Sequence[NewTask], images: Mapping[str, bytes] = NO_IMAGES) -> Sequence[Enqueued]:
        """Store several new tasks of one user as `enqueue` does, in one transaction: all, or on an error none.

        Raises:
            TaskNotFound: a task whose stored photo is used was deleted.

        """
        ...

    async def require_room(
        self, user_id: str, *, idempotency_key: str | None, size_bytes: int, pictures: Sequence[Sequence[str]] = ()
    ) -> None:
        """Check whether `enqueue` would take a photo of this size now.

        A known idempotency key always passes, and so does a request that may reuse results, if there is one for each
        of its ``pictures``: the keys that a result of it may have.

        Raises:
            QuotaExceeded: as `enqueue`.
            StorageQuotaExceeded: as `enqueue`.

        """
        ...

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Claimed:
        """Give up to ``limit`` runnable tasks to a worker.

        The order is that of `generator_service.domain.claim_order`. Tasks that need an open breaker's engine are passed
        over; where it is half-open, one is claimed as the probe.
        """
        ...

    def claim_within_commits(self, claimant: Claimant, *, owner: str, lease_for: timedelta) -> None:
        """Claim for a worker of this process in the very transactions that make tasks runnable, from now on."""
        ...

    async def heartbeat(self, beats: Sequence[Beat], *, lease_for: timedelta) -> Collection[Lease]:
        """Prolong leases and keep the progress; return those that are lost."""
        ...

    async def complete(
        self,
        lease: Lease,
        result: ResultInfo,
        images: Mapping[str, bytes] = NO_IMAGES,
        *,
        usage: Usage | None = None,
    ) -> Task:
        """End a task with its picture; ``images`` are the small ones, as for `enqueue`.

        The end of an attempt counts its usage in the same transaction: ``usage``, or else that of its last heartbeat.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def fail(self, lease: Lease, failure: EngineError, *, usage: Usage | None = None) -> Task:
        """End an attempt without a picture: the retry policy decides whether the task waits again or fails.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def time_out(self, lease: Lease, *, usage: Usage | None = None) -> Task:
        """End a task whose attempt ran too long.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def release(self, lease: Lease, *, usage: Usage | None = None) -> Task:
        """Give a task back unfinished, to be run again at once: its worker shuts down. A snooze.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def snooze(self, lease: Lease, outage: Outage, *, usage: Usage | None = None) -> Task:
        """End an attempt that has to wait and does not count, and open the breaker of the dependency it waits for.

        Raises:
            LeaseLost: the worker no longer holds it.

        """
        ...

    async def trip(self, outage: Outage) -> Mapping[str, Breaker]:
        """Open the breaker of an outage's dependency; return all breakers by name."""
        ...

    async def breakers(self) -> Mapping[str, Breaker]:
        """Read the breakers that were ever opened, by name."""
        ...

    async def cancel(self, task_id: int, user_id: str | None) -> Task:
        """Cancel a task; a cancelled one is returned unchanged. ``user_id`` None means any owner.

        Raises:
            TaskNotFound: there is none, or it is not this user's.
            InvalidTransition: it ended in another state.

        """
        ...

    async def delete_tasks(self, task_ids: Collection[int], user_id: str | None) -> DeletedTasks:
        """Delete tasks, each with a DELETED event; those that have not ended are cancelled first.

        ``user_id`` None means any owner. Tasks that don't exist, or are another user's, are left out. The images to be
        removed are recorded in the same transaction, and the tasks' idempotency keys are free again. An owner without
        further tasks is deleted by compaction, once the events are old.
        """
        ...

    async def review_tasks(self, task_ids: Collection[int], user_id: str | None, review: Review) -> ReviewedTasks:
        """Record the owner's decision on results, with a REVIEWED event for each task that it changes.

        ``user_id`` None means any owner. Tasks that don't exist, or are another user's, are left out.
        """
        ...

    async def task_ids(
        self, user_id: str, *, batch_id: str | None = None, before: int | None, limit: int
    ) -> Sequence[int]:
        """Read the ids of a user's tasks, or of those of one batch, below ``before``, highest first."""
        ...

    async def batch(self, user_id: str, batch_id: str) -> Batch:
        """Read a batch with the number of its tasks by state. It exists as long as one of its tasks.

        Raises:
            BatchNotFound: there is none.

        """
        ...

    async def close_batch(self, user_id: str, batch_id: str) -> None:
        """Let no more tasks be added to a batch; a closed one stays as it is.

        The transaction in which a batch is closed and all of its tasks have ended has its one BATCH_FINISHED event.

        Raises:
            BatchNotFound: there is none.

        """
        ...

    async def settle_batches(self) -> int:
        """Finish batches whose last task an older release ended, and delete those whose last task it deleted.

        Returns how many, up to a limit; 0 if none is left.
        """
        ...

    async def close_idle_batches(self, idle: timedelta) -> int:
        """Close batches to which no task was added for so long: their client has left, or forgot them.

        Returns how many, up to a limit; 0 if none is left.
        """
        ...

    async def cancel_unfinished(self, task_ids: Collection[int]) -> None:
        """Cancel those of these tasks that have not ended; of any owner."""
        ...

    async def requeue_expired(self, *, alive: Sequence[Beat] = (), lease_for: timedelta = LEASE) -> Sequence[Task]:
        """Take tasks from workers whose leases ran out; they are snoozed, or fail if that happened too often.

        ``alive`` are the attempts of this process's own worker: their leases are prolonged first, in the same moment.
        """
        ...

    async def renew_epoch(self, seen: str) -> None:
        """Give the log a new epoch, and pass over the task ids that may have been lost, if its epoch is still ``seen``.

        For a log that was found to have lost events: any number of processes may find that at once.
        """
        ...

    async def end_overdue(self) -> Sequence[Task]:
        """End tasks that still wait at their deadline; return them."""
        ...

    async def get(self, task_id: int, user_id: str | None) -> Task:
        """Read a task. ``user_id`` None means any owner.

        Raises:
            TaskNotFound: there is none, or it is not this user's.

        """
        ...

    async def list_tasks(
        self,
        user_id: str,
        *,
        states: Collection[TaskState],
        before: int | None,
        skip: int,
        limit: int,
        batch_id: str | None = None,
        review: Review | None = None,
    ) -> TaskPage:
        """Read a user's tasks with an id below ``before``, newest first. No ``states`` means all, as does no batch.

        With ``review``, only completed tasks with that decision.
        """
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

    def snapshot(self, user_id: str | None, *, page_size: int) -> AsyncGenerator[SnapshotPage]:
        """Read the kept tasks of a user (or of all), ordered by id, in pages: at least one, of one transaction.

        A bounded number of pages is read ahead, and the transaction ends soon after a caller stops taking or closes it.

        Raises:
            DatabaseUnavailable: the database is unavailable, or the connection was lost between two pages.
            SlowSnapshot: the pages are not taken fast enough.

        """
        ...

    async def unfinished(self) -> QueueSnapshot:
        """Read all tasks that are not terminal, and whose turn it is."""
        ...

    async def next_due(self, *, since: timedelta) -> timedelta | None:
        """Read how long until the next of those tasks is due that were not yet ``since`` ago; None if there is none.

        Not positive if it has become due meanwhile.
        """
        ...

    def queue_time(self) -> datetime:
        """Return the present queue time, by which tasks become due, as far as it is known without a read."""
        ...

    async def counts(self) -> QueueCounts:
        """Count the queue."""
        ...

    async def compact(self, retention: Retention) -> int:
        """Delete events that need not be kept; return how many."""
        ...

    async def backlog(self) -> Backlog:
        """Read whether a task could start now, and how many each worker runs."""
        ...

    async def probe(self) -> None:
        """Write something that changes nothing, to see whether writes are possible."""
        ...

    @property
    def last_refusal(self) -> Refusal | None:
        """The latest write that failed because the database was unavailable; None if there was none."""
        ...

    async def finished_before(self, cutoff: datetime, *, limit: int) -> Sequence[Task]:
        """Read terminal tasks that ended before ``cutoff``."""
        ...

    async def forget(self, task_ids: Collection[int]) -> None:
        """Delete terminal tasks without an event, and record the images to be removed in the same transaction.

        Their events stay until compaction, or until the user has no task left. Such a user is deleted with all events;
        only their numbers are remembered, so that they are not issued again.
        """
        ...

    @property
    def admin(self) -> AdminStore:
        """Control of the queue."""
        ...

    @property
    def webhooks(self) -> WebhookStore:
        """Webhook endpoints and dead letters."""
        ...

    async def close(self) -> None:
        """Finish pending operations and close the database."""
        ...
