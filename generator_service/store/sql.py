"""The store on SQLAlchemy Core: the asynchronous face of the writer thread and of the readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy import Engine as Database

from generator_service.domain.clock import Clock
from generator_service.domain.errors import EngineError
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Lease, NewTask, ResultInfo, Task, TaskState
from generator_service.store import operations, queries
from generator_service.store.companion import ClaimCompanion
from generator_service.store.contract import (
    Beat,
    Claimant,
    Enqueued,
    EventPage,
    Limits,
    QueueCounts,
    Retention,
    Snapshot,
    TaskPage,
)
from generator_service.store.reconnect import Reconnecting
from generator_service.store.unit_of_work import Backend, Touched, UnitOfWork
from generator_service.store.writer import CommitListener, GroupCommitWriter

T = TypeVar("T")

READERS = 4


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
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._limits = limits
        self._retry = retry
        self._writer = GroupCommitWriter(Reconnecting(writing, patience), clock, backend, on_commit)
        self._moments = Reconnecting(reading, patience)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def enqueue(self, new: NewTask) -> Enqueued:
        """Store a new task, or find it by its idempotency key."""
        return await self._write(
            partial(operations.enqueue, new=new, limits=self._limits),
            users=[new.user_id],
            keys=[] if new.idempotency_key is None else [(new.user_id, new.idempotency_key)],
        )

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Sequence[Task]:
        """Give up to ``limit`` runnable tasks to a worker."""
        return await self._write(
            partial(operations.claim, owner=owner, limit=limit, lease_for=lease_for, limits=self._limits)
        )

    def claim_along(self, claimant: Claimant) -> None:
        """Let a worker's claims ride along with what others write."""
        self._writer.accompany(ClaimCompanion(claimant, self._limits))

    async def heartbeat(self, beats: Sequence[Beat], *, lease_for: timedelta) -> Collection[Lease]:
        """Prolong leases; return those that are lost."""
        return await self._write(
            partial(operations.heartbeat, beats=beats, lease_for=lease_for),
            tasks=[beat.lease.task_id for beat in beats],
        )

    async def complete(self, lease: Lease, result: ResultInfo) -> Task:
        """End a task with its picture."""
        return await self._write(partial(operations.complete, lease=lease, result=result), tasks=[lease.task_id])

    async def fail(self, lease: Lease, failure: EngineError) -> Task:
        """End an attempt without a picture."""
        return await self._write(
            partial(operations.fail, lease=lease, failure=failure, policy=self._retry), tasks=[lease.task_id]
        )

    async def time_out(self, lease: Lease) -> Task:
        """End a task whose attempt ran too long."""
        return await self._write(partial(operations.time_out, lease=lease), tasks=[lease.task_id])

    async def release(self, lease: Lease) -> Task:
        """Give a task back unfinished."""
        return await self._write(partial(operations.release, lease=lease), tasks=[lease.task_id])

    async def cancel(self, task_id: int, user_id: str | None) -> Task:
        """Cancel a task."""
        return await self._write(partial(operations.cancel, task_id=task_id, user_id=user_id), tasks=[task_id])

    async def requeue_expired(self) -> Sequence[Task]:
        """Take tasks from workers whose leases ran out."""
        return await self._write(operations.requeue_expired)

    async def compact(self, retention: Retention) -> int:
        """Delete events that need not be kept, in chunks, so that other writes get in between."""
        deleted = 0
        while chunk := await self._write(partial(operations.compact, retention=retention)):
            deleted += chunk
        return deleted

    async def forget(self, task_ids: Collection[int]) -> None:
        """Delete terminal tasks."""
        await self._write(partial(operations.forget, task_ids=task_ids), tasks=task_ids)

    async def get(self, task_id: int, user_id: str | None) -> Task:
        """Read a task."""
        return await self._read(partial(queries.get, task_id=task_id, user_id=user_id))

    async def list_tasks(
        self, user_id: str, *, states: Collection[TaskState], before: int | None, skip: int, limit: int
    ) -> TaskPage:
        """Read a page of a user's tasks."""
        return await self._read(
            partial(queries.list_tasks, user_id=user_id, states=states, before=before, skip=skip, limit=limit)
        )

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

    async def snapshot(self, user_id: str | None) -> Snapshot:
        """Read all kept tasks and the head they stood at."""
        return await self._read(partial(queries.snapshot, user_id=user_id))

    async def unfinished(self) -> Snapshot:
        """Read all tasks that are not terminal."""
        return await self._read(queries.unfinished)

    async def next_run_at(self, *, after: datetime) -> datetime | None:
        """Read when the next pending task becomes runnable."""
        return await self._read(partial(queries.next_run_at, after=after))

    async def counts(self) -> QueueCounts:
        """Count the queue."""
        return await self._read(queries.counts)

    async def finished_before(self, cutoff: datetime, *, limit: int) -> Sequence[Task]:
        """Read terminal tasks that ended before a time."""
        return await self._read(partial(queries.finished_before, cutoff=cutoff, limit=limit))

    async def named_blobs(self, keys: Collection[str]) -> Collection[str]:
        """Read which of these keys tasks name."""
        return await self._read(partial(queries.named_blobs, keys=keys))

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
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
    ) -> T:
        return await asyncio.wrap_future(self._writer.submit(operation, Touched(users=users, tasks=tasks, keys=keys)))

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._moments.run, query)
