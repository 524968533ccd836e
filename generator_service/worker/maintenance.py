"""Periodic maintenance: expired leases, old events, old tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from generator_service.domain.breaker import Breaker
from generator_service.domain.clock import Clock
from generator_service.domain.revocation import RevocationList
from generator_service.domain.usage import day_of
from generator_service.image_removal import ImageRemover
from generator_service.image_store import ImageStoreGuard
from generator_service.store.contract import LEASE, Beat, Retention, TaskStore
from generator_service.store.limits import UserLimits
from generator_service.store.revocation_contract import RevocationStore
from generator_service.watch.watchers import Watchers
from whitebg_process.token_lifetime import CLOCK_SKEW

logger = logging.getLogger(__name__)

FORGET_CHUNK = 200
HELD_UP = timedelta(seconds=7)
"""A pause between two checks of the leases, due every 2 s, that is only possible if the process was frozen."""


async def every(interval: timedelta, chore: Callable[[], Awaitable[None]]) -> None:
    """Repeat a chore until cancelled; a failure is logged, and the chore is retried next time."""
    while True:
        try:
            await chore()
        except Exception:
            logger.exception("%s failed; trying again in %s", type(chore).__name__, interval)
        await asyncio.sleep(interval.total_seconds())


class OwnWorker(Protocol):
    """The worker of the same process, as seen by a reaper."""

    @property
    def lease_for(self) -> timedelta:
        """Duration of its leases."""
        ...

    def beats(self) -> Sequence[Beat]:
        """Return a heartbeat for every running attempt."""
        ...


class LeaseReaper:
    """Takes tasks back from lost workers.

    A reaper that was itself paused (a frozen process, a machine that slept) waits for ``grace`` first, in which
    workers of other processes on the same machine, paused too, can renew their leases. The leases of its own
    process's ``worker`` are renewed in the same transaction that reaps expired ones.
    """

    def __init__(self, store: TaskStore, clock: Clock, worker: OwnWorker | None, *, grace: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        self._grace = grace.total_seconds()
        self._called_at = clock.monotonic()
        self._not_before = self._called_at

    async def __call__(self) -> None:
        """Requeue all tasks whose lease has expired."""
        now = self._clock.monotonic()
        if now - self._called_at > HELD_UP.total_seconds():
            self._not_before = now + self._grace
            logger.warning("held up for %.1f s; expired leases get time to be renewed", now - self._called_at)
        self._called_at = now
        if now < self._not_before:
            return
        beats = [] if self._worker is None else self._worker.beats()
        lease_for = LEASE if self._worker is None else self._worker.lease_for
        for task in await self._store.requeue_expired(alive=beats, lease_for=lease_for):
            logger.warning("lease lost; the task is now %s", task.state, extra={"task_id": task.task_id})


class BreakerReader:
    """Reads the circuit breakers, which any worker may have changed."""

    def __init__(self, store: TaskStore, *readers: Callable[[Mapping[str, Breaker]], None]) -> None:
        self._store = store
        self._readers = readers

    async def __call__(self) -> None:
        """Publish the current breakers."""
        breakers = await self._store.breakers()
        for reader in self._readers:
            reader(breakers)


class UserLimitReader:
    """Reads the limits of single users, which any service may have changed."""

    def __init__(self, store: TaskStore, reader: Callable[[Mapping[str, UserLimits]], None]) -> None:
        self._store = store
        self._reader = reader

    async def __call__(self) -> None:
        """Publish the current limits."""
        self._reader(await self._store.admin.user_limits())


class PriorityAger:
    """Raises the priority of tasks that have waited for long, so that nothing waits forever."""

    def __init__(self, store: TaskStore, step: timedelta) -> None:
        self._store = store
        self._step = step

    async def __call__(self) -> None:
        """Raise what has waited for long enough."""
        for task in await self._store.admin.age_priorities(self._step):
            extra = {"task_id": task.task_id, "priority": task.priority}
            logger.info("priority raised after a long wait", extra=extra)


class DeadlineEnforcer:
    """Ends tasks that are still waiting at their deadline."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    async def __call__(self) -> None:
        """End all overdue tasks."""
        for task in await self._store.end_overdue():
            message = None if task.error is None else task.error.message
            logger.warning("deadline exceeded: %s", message, extra={"task_id": task.task_id})


class BatchSettler:
    """Ends and deletes batches that an older release left, which knows none and may run beside this one."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    async def __call__(self) -> None:
        """Settle all of them."""
        while settled := await self._store.settle_batches():
            logger.info("settled %d batches", settled)


class IdleBatchCloser:
    """Closes batches that their clients have left open, so that each one ends."""

    def __init__(self, store: TaskStore, idle: timedelta) -> None:
        self._store = store
        self._idle = idle

    async def __call__(self) -> None:
        """Close all of them."""
        while closed := await self._store.close_idle_batches(self._idle):
            logger.info("closed %d batches without a new task for %s", closed, self._idle)


class EventCompactor:
    """Deletes events that are no longer needed for resuming."""

    def __init__(self, store: TaskStore, retention: Retention) -> None:
        self._store = store
        self._retention = retention

    async def __call__(self) -> None:
        """Delete events beyond the retention."""
        if deleted := await self._store.compact(self._retention):
            logger.info("compacted %d events", deleted)


class TaskReaper:
    """Deletes tasks that ended long ago, with their images, if the image store belongs to this database."""

    def __init__(
        self, store: TaskStore, remover: ImageRemover, clock: Clock, keep: timedelta, guard: ImageStoreGuard
    ) -> None:
        self._store = store
        self._remover = remover
        self._clock = clock
        self._keep = keep
        self._guard = guard

    async def __call__(self) -> None:
        """Delete all tasks that ended before the retention period."""
        if not await self._guard.verified():
            return
        while old := await self._store.finished_before(self._clock.now() - self._keep, limit=FORGET_CHUNK):
            await self._store.forget([task.task_id for task in old])
            logger.info("forgot %d finished tasks", len(old))
            await self._remover()


class SessionExpirer:
    """Ends watches whose token or API key has expired."""

    def __init__(self, watchers: Watchers, clock: Clock) -> None:
        self._watchers = watchers
        self._clock = clock

    async def __call__(self) -> None:
        """End those that have expired by now."""
        self._watchers.end_expired(self._clock.now())


class UsageReaper:
    """Deletes the usage of days long ago."""

    def __init__(self, store: TaskStore, clock: Clock, keep: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> None:
        """Delete the usage of all days before the retention period."""
        if deleted := await self._store.admin.forget_usage(day_of(self._clock.now() - self._keep)):
            logger.info("deleted %d entries of usage", deleted)


class RevocationReaper:
    """Deletes revocations whose tokens have all expired."""

    def __init__(self, store: RevocationStore, revoked: RevocationList, clock: Clock) -> None:
        self._store = store
        self._revoked = revoked
        self._clock = clock

    async def __call__(self) -> None:
        """Delete expired revocations from the database and from this process's list."""
        before = self._clock.now() - CLOCK_SKEW
        if deleted := await self._store.forget_revocations(before):
            logger.info("deleted %d revocations of expired tokens", deleted)
        self._revoked.forget(before)
