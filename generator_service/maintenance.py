"""What must be done every now and then: lost leases, old events, old tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from generator_service.blobs.contract import Blobs
from generator_service.domain.clock import Clock
from generator_service.domain.task import Task
from generator_service.store.contract import Retention, TaskStore

logger = logging.getLogger(__name__)

FORGET_CHUNK = 200


async def every(interval: timedelta, chore: Callable[[], Awaitable[None]]) -> None:
    """Do a chore again and again, until cancelled; one that fails is logged and tried again next time."""
    while True:
        try:
            await chore()
        except Exception:
            logger.exception("%s failed; trying again in %s", type(chore).__name__, interval)
        await asyncio.sleep(interval.total_seconds())


class LeaseReaper:
    """Takes tasks from workers that were lost."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    async def __call__(self) -> None:
        """Requeue all tasks whose lease has run out."""
        for task in await self._store.requeue_expired():
            logger.warning("lease lost; the task is now %s", task.state, extra={"task_id": task.task_id})


class EventCompactor:
    """Deletes events that nobody needs for resuming any more."""

    def __init__(self, store: TaskStore, retention: Retention) -> None:
        self._store = store
        self._retention = retention

    async def __call__(self) -> None:
        """Delete what the retention does not keep."""
        if deleted := await self._store.compact(self._retention):
            logger.info("compacted %d events", deleted)


class TaskReaper:
    """Deletes tasks that ended long ago, and their images."""

    def __init__(self, store: TaskStore, blobs: Blobs, clock: Clock, keep: timedelta) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> None:
        """Delete all that ended before the retention's reach."""
        while old := await self._store.finished_before(self._clock.now() - self._keep, limit=FORGET_CHUNK):
            # Images first: after a crash in between, the rows still say what is left to delete.
            await self._blobs.delete(*(key for task in old for key in _blobs_of(task)))
            await self._store.forget([task.task_id for task in old])
            logger.info("forgot %d finished tasks", len(old))


def _blobs_of(task: Task) -> list[str]:
    result = task.result
    return [task.input.blob] + ([] if result is None else [result.blob, result.thumbnail_blob])
