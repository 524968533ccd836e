"""The store on SQLAlchemy Core: the asynchronous face of the writer thread and of the readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy import Engine as Database

from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker, Outage
from generator_service.domain.clock import Clock
from generator_service.domain.errors import EngineError
from generator_service.domain.readiness import Backlog
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.revocation import NewRevocation, Revocation
from generator_service.domain.routing import WaitPolicy
from generator_service.domain.task import Lease, NewTask, ResultInfo, Review, Task, TaskState
from generator_service.domain.usage import Usage
from generator_service.store import batch_closing, claiming, compaction, image_records, operations, queries, revoking
from generator_service.store.admin import SqlAdminStore
from generator_service.store.backend import Backend
from generator_service.store.claiming import CommitClaims
from generator_service.store.contract import (
    LEASE,
    NO_IMAGES,
    Beat,
    Claimant,
    Claimed,
    DeletedTasks,
    Enqueued,
    Refusal,
    Retention,
    ReviewedTasks,
)
from generator_service.store.image_contract import ImageBinding
from generator_service.store.limits import Limits
from generator_service.store.lock_set import LockSet
from generator_service.store.read_ahead import ReadAhead
from generator_service.store.reconnect import DatabaseUnavailable, Reconnecting
from generator_service.store.revocation_contract import RevocationPage
from generator_service.store.unavailable import PARTIAL
from generator_service.store.unit_of_work import UnitOfWork
from generator_service.store.views import EventPage, QueueCounts, QueueSnapshot, SnapshotPage, TaskPage
from generator_service.store.webhook_store import SqlWebhookStore
from generator_service.store.writer import CommitListener, GroupCommitWriter

T = TypeVar("T")

READERS = 4
SNAPSHOT_READERS = 2
"""Readers that snapshots may occupy while they are taken; other reads never wait for a slow watcher."""
SNAPSHOT_TASKS = 10_000
"""Tasks of a snapshot that are read before they are taken, some 3 KiB each."""
REVIEW_CHUNK = 200
"""Tasks reviewed in one transaction."""


class SqlTaskStore:
    """Tasks and their log in a SQL database; see `generator_service.store.contract.TaskStore`.

    ``writing`` is an engine whose transactions may write, ``reading`` one whose transactions each see one moment of
    the database, ``backend`` what writers do in their own way. These three are all that databases differ in.
    A transaction that loses the database waits up to ``patience`` for it to come back.
    """

    def __init__(
        self,
        writing: Database,
        reading: Database,
        *,
        backend: Backend,
        patience: timedelta,
        clock: Clock,
        limits: Limits,
        retry: RetryPolicy,
        on_commit: CommitListener,
        waits: WaitPolicy,
    ) -> None:
        self._writing = writing
        self._reading = reading
        self.last_refusal: Refusal | None = None
        self._limits = limits
        self._retry = retry
        self._queue_clock = backend.queue_clock
        self._waits = waits
        self._writer = GroupCommitWriter(Reconnecting(writing, patience), clock, backend, on_commit)
        self._moments = Reconnecting(reading, patience)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._snapshots = asyncio.Semaphore(SNAPSHOT_READERS)
        self.admin = SqlAdminStore(self._write, self._read, self._queue_clock)
        self.webhooks = SqlWebhookStore(self._write, self._read)

    async def enqueue(self, new: NewTask, images: Mapping[str, bytes] = NO_IMAGES) -> Enqueued:
        """Store a new task with its small images, or find it by its idempotency key."""
        (enqueued,) = await self.enqueue_all([new], images)
        return enqueued

    async def enqueue_all(self, news: Sequence[NewTask], images: Mapping[str, bytes] = NO_IMAGES) -> Sequence[Enqueued]:
        """Store several new tasks of one user."""
        return await self._write(
            partial(operations.enqueue, news=news, images=images, limits=self._limits),
            users=[news[0].user_id],
            new_tasks=len(news),
            tasks=[new.source_task_id for new in news if new.shares_input and new.source_task_id is not None],
            keys=[(new.user_id, new.idempotency_key) for new in news if new.idempotency_key is not None],
            batches=[(new.user_id, new.batch_id) for new in news if new.batch_id is not None],
        )

    async def require_room(
        self, user_id: str, *, idempotency_key: str | None, size_bytes: int, pictures: Sequence[Sequence[str]] = ()
    ) -> None:
        """Check whether `enqueue` would take a photo of this size now."""
        await self._read(
            partial(
                queries.require_room,
                user_id=user_id,
                idempotency_key=idempotency_key,
                size_bytes=size_bytes,
                pictures=pictures,
                limits=self._limits,
            )
        )

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Claimed:
        """Give up to ``limit`` runnable tasks to a worker."""
        return await self._write(
            partial(
                claiming.claim,
                owner=owner,
                limit=limit,
                lease_for=lease_for,
                limits=self._limits,
                routing=self._waits.routing,
            )
        )

    def claim_within_commits(self, claimant: Claimant, *, owner: str, lease_for: timedelta) -> None:
        """Claim for a worker of this process in the transactions that make tasks runnable."""
        self._writer.claims = CommitClaims(
            claimant, owner=owner, lease_for=lease_for, limits=self._limits, routing=self._waits.routing
        )

    async def heartbeat(self, beats: Sequence[Beat], *, lease_for: timedelta) -> Collection[Lease]:
        """Prolong leases; return those that are lost."""
        return await self._write(
            partial(operations.heartbeat, beats=beats, lease_for=lease_for),
            tasks=[beat.lease.task_id for beat in beats],
            urgent=True,
        )

    async def complete(
        self,
        lease: Lease,
        result: ResultInfo,
        images: Mapping[str, bytes] = NO_IMAGES,
        *,
        usage: Usage | None = None,
    ) -> Task:
        """End a task with its picture, and store its small images."""
        return await self._write(
            partial(operations.complete, lease=lease, result=result, images=images, usage=usage), tasks=[lease.task_id]
        )

    async def fail(self, lease: Lease, failure: EngineError, *, usage: Usage | None = None) -> Task:
        """End an attempt without a picture."""
        return await self._write(
            partial(operations.fail, lease=lease, failure=failure, policy=self._retry, usage=usage),
            tasks=[lease.task_id],
        )

    async def time_out(self, lease: Lease, *, usage: Usage | None = None) -> Task:
        """End a task whose attempt ran too long."""
        return await self._write(partial(operations.time_out, lease=lease, usage=usage), tasks=[lease.task_id])

    async def release(self, lease: Lease, *, usage: Usage | None = None) -> Task:
        """Give a task back unfinished."""
        return await self._write(
            partial(operations.release, lease=lease, waits=self._waits, usage=usage), tasks=[lease.task_id]
        )

    async def snooze(self, lease: Lease, outage: Outage, *, usage: Usage | None = None) -> Task:
        """Give a task back that has to wait."""
        return await self._write(
            partial(operations.snooze, lease=lease, outage=outage, waits=self._waits, usage=usage),
            tasks=[lease.task_id],
        )

    async def trip(self, outage: Outage) -> Mapping[str, Breaker]:
        """Open the breaker of an outage's dependency."""
        return await self._write(partial(operations.trip, outage=outage, waits=self._waits))

    async def breakers(self) -> Mapping[str, Breaker]:
        """Read the breakers."""
        return await self._read(queries.breakers)

    async def cancel(self, task_id: int, user_id: str | None) -> Task:
        """Cancel a task."""
        return await self._write(partial(operations.cancel, task_id=task_id, user_id=user_id), tasks=[task_id])

    async def delete_tasks(self, task_ids: Collection[int], user_id: str | None) -> DeletedTasks:
        """Delete tasks, each with an event."""
        return await self._write(partial(operations.delete_tasks, task_ids=task_ids, user_id=user_id), tasks=task_ids)

    async def review_tasks(self, task_ids: Collection[int], user_id: str | None, review: Review) -> ReviewedTasks:
        """Record a decision on results, in chunks, so that other writes get in between."""
        wanted, reviewed, unfinished = iter(dict.fromkeys(task_ids)), list[int](), list[int]()
        while chunk := list(islice(wanted, REVIEW_CHUNK)):
            done = await self._write(
                partial(operations.review_tasks, task_ids=chunk, user_id=user_id, review=review), tasks=chunk
            )
            reviewed += done.task_ids
            unfinished += done.unfinished
        return ReviewedTasks(task_ids=reviewed, unfinished=unfinished)

    async def requeue_expired(self, *, alive: Sequence[Beat] = (), lease_for: timedelta = LEASE) -> Sequence[Task]:
        """Take tasks from workers whose leases ran out, after prolonging those of this process's own worker."""
        return await self._write(
            partial(operations.requeue_expired, alive=alive, lease_for=lease_for, waits=self._waits),
            tasks=[beat.lease.task_id for beat in alive],
        )

    async def end_overdue(self) -> Sequence[Task]:
        """End tasks that still wait at their deadline."""
        return await self._write(operations.end_overdue)

    async def compact(self, retention: Retention) -> int:
        """Delete events that need not be kept, in chunks, so that other writes get in between."""
        deleted = 0
        while chunk := await self._write(partial(compaction.compact, retention=retention)):
            deleted += chunk
        return deleted

    async def forget(self, task_ids: Collection[int]) -> None:
        """Delete terminal tasks without an event."""
        await self._write(partial(operations.forget, task_ids=task_ids), tasks=task_ids)

    async def renew_epoch(self, seen: str) -> None:
        """Give a log that lost events a new epoch."""
        await self._write(partial(operations.renew_epoch, seen=seen))

    async def get(self, task_id: int, user_id: str | None) -> Task:
        """Read a task."""
        return await self._read(partial(queries.get, task_id=task_id, user_id=user_id))

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
        """Read a page of a user's tasks."""
        return await self._read(
            partial(
                queries.list_tasks,
                user_id=user_id,
                states=states,
                before=before,
                skip=skip,
                limit=limit,
                batch_id=batch_id,
                review=review,
            )
        )

    async def task_ids(
        self, user_id: str, *, batch_id: str | None = None, before: int | None, limit: int
    ) -> Sequence[int]:
        """Read the ids of a user's tasks, highest first."""
        return await self._read(
            partial(queries.task_ids, user_id=user_id, batch_id=batch_id, before=before, limit=limit)
        )

    async def batch(self, user_id: str, batch_id: str) -> Batch:
        """Read a batch."""
        return await self._read(partial(queries.batch, user_id=user_id, batch_id=batch_id))

    async def close_batch(self, user_id: str, batch_id: str) -> None:
        """Close a batch."""
        await self._write(
            partial(batch_closing.close_batch, user_id=user_id, batch_id=batch_id),
            users=[user_id],
            batches=[(user_id, batch_id)],
        )

    async def settle_batches(self) -> int:
        """Finish and delete batches that an older release left."""
        return await self._write(batch_closing.settle_batches)

    async def close_idle_batches(self, idle: timedelta) -> int:
        """Close batches to which no task was added for so long."""
        return await self._write(partial(batch_closing.close_idle_batches, idle=idle))

    async def cancel_unfinished(self, task_ids: Collection[int]) -> None:
        """Cancel those of these tasks that have not ended."""
        await self._write(partial(operations.cancel_unfinished, task_ids=task_ids), tasks=task_ids)

    async def events_after(self, revision: int, *, limit: int) -> EventPage:
        """Read the whole log after a revision."""
        return await self._read(partial(queries.events_after, revision=revision, limit=limit))

    async def user_events_after(self, user_id: str, seq: int, *, limit: int, through: int | None = None) -> EventPage:
        """Read a user's log after a seq."""
        return await self._read(
            partial(queries.user_events_after, user_id=user_id, seq=seq, limit=limit, through=through)
        )

    async def latest_events(self, limit: int) -> EventPage:
        """Read the end of the log."""
        return await self._read(partial(queries.latest_events, limit=limit))

    async def snapshot(self, user_id: str | None, *, page_size: int) -> AsyncGenerator[SnapshotPage]:
        """Read kept tasks and the head they stood at, page by page."""
        await self._snapshots.acquire()
        pages = self._moments.stream(partial(queries.snapshot, user_id=user_id, page_size=page_size))
        ahead = ReadAhead[SnapshotPage](max(1, SNAPSHOT_TASKS // page_size))
        reading = asyncio.get_running_loop().run_in_executor(self._readers, ahead.fill, pages)
        reading.add_done_callback(self._end_snapshot)
        try:
            while (page := await ahead.take()) is not None:
                yield page
            await reading
        finally:
            ahead.close()

    def _end_snapshot(self, reading: asyncio.Future[None]) -> None:
        self._snapshots.release()
        if not reading.cancelled():
            # Seen, or asyncio would log it where the caller has left.
            reading.exception()

    async def unfinished(self) -> QueueSnapshot:
        """Read all tasks that are not terminal, and whose turn it is."""
        return await self._read(queries.unfinished)

    async def next_due(self, *, since: timedelta) -> timedelta | None:
        """Read how long until the next pending task is due."""
        return await self._read(partial(queries.next_due, clock=self._queue_clock, since=since))

    def queue_time(self) -> datetime:
        """Return the present queue time, as far as it is known without a read."""
        return self._queue_clock.estimate()

    async def counts(self) -> QueueCounts:
        """Count the queue."""
        return await self._read(queries.counts)

    async def backlog(self) -> Backlog:
        """Read whether a task could start, and who runs how many."""
        return await self._read(
            partial(
                queries.backlog,
                clock=self._queue_clock,
                running_per_user=self._limits.running_per_user,
                routing=self._waits.routing,
            )
        )

    async def probe(self) -> None:
        """Write something that changes nothing."""
        await asyncio.wrap_future(self._writer.submit(operations.probe, LockSet()))

    async def finished_before(self, cutoff: datetime, *, limit: int) -> Sequence[Task]:
        """Read terminal tasks that ended before a time."""
        return await self._read(partial(queries.finished_before, cutoff=cutoff, limit=limit))

    async def inline_image(self, key: str) -> bytes | None:
        """Read an image that is stored beside its task."""
        return await self._read(partial(queries.inline_image, key=key))

    async def named_blobs(self, keys: Collection[str]) -> Collection[str]:
        """Read which of these keys tasks name."""
        return await self._read(partial(queries.named_blobs, keys=keys))

    async def image_binding(self) -> ImageBinding | None:
        """Read which image store belongs to this database."""
        return await self._read(image_records.binding)

    async def propose_image_binding(self, binding_id: str) -> ImageBinding:
        """Bind an image store, not yet confirmed, unless one is bound."""
        return await self._write(partial(image_records.propose_binding, binding_id=binding_id))

    async def confirm_image_binding(self, binding_id: str) -> None:
        """Bind this image store, confirmed, in place of any other."""
        await self._write(partial(image_records.confirm_binding, binding_id=binding_id))

    async def image_deletions(self, *, limit: int) -> Sequence[str]:
        """Read which images are still to be removed."""
        return await self._read(partial(image_records.deletions, limit=limit))

    async def end_image_deletions(self, keys: Collection[str]) -> None:
        """Note that these images were removed."""
        await self._write(partial(image_records.end_deletions, keys=keys))

    async def orphan_marks(self, keys: Collection[str]) -> Mapping[str, datetime]:
        """Read which of these keys are marked for deletion, and since when."""
        return await self._read(partial(image_records.marks, keys=keys))

    async def update_orphan_marks(self, *, add: Mapping[str, datetime], remove: Collection[str]) -> None:
        """Mark keys for deletion and take marks back."""
        await self._write(partial(image_records.update_marks, add=add, remove=remove))

    async def revoke(self, new: NewRevocation) -> Revocation:
        """Record an end to sessions."""
        return await self._write(partial(revoking.revoke, new=new))

    async def revocations_after(self, number: int, *, limit: int) -> RevocationPage:
        """Read the revocations after a number."""
        return await self._read(partial(revoking.after, number=number, limit=limit))

    async def forget_revocations(self, before: datetime) -> int:
        """Delete those whose tokens had all expired before a time."""
        return await self._write(partial(revoking.forget, before=before))

    async def close(self) -> None:
        """Finish pending operations and close the database."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.shutdown)
        self._writing.dispose()
        self._reading.dispose()

    async def _write(
        self,
        operation: Callable[[UnitOfWork], T],
        *,
        users: Collection[str] = (),
        tasks: Collection[int] = (),
        keys: Collection[tuple[str, str]] = (),
        batches: Collection[tuple[str, str]] = (),
        new_tasks: int = 1,
        urgent: bool = False,
    ) -> T:
        locks = LockSet(users=users, new_tasks=new_tasks, tasks=tasks, keys=keys, batches=batches)
        try:
            return await asyncio.wrap_future(self._writer.submit(operation, locks, urgent=urgent))
        except DatabaseUnavailable as away:
            self.last_refusal = Refusal(time.monotonic(), str(away), away.reason in PARTIAL)
            raise

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._moments.run, query)
