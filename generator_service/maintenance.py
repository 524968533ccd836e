"""What must be done every now and then: lost leases, old events, old tasks, images that no task names."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from generator_service.blobs.contract import KINDS, Blobs, Stored, new_key
from generator_service.domain.clock import Clock
from generator_service.domain.task import Task
from generator_service.store.contract import Retention, TaskStore

logger = logging.getLogger(__name__)

FORGET_CHUNK = 200
ORPHAN_AGE = timedelta(hours=24)
"""How old an image must be before it counts that no task names it: a photo is stored before its task is, and a result
before it is written down. Both take seconds."""
SWEEP_PAGE = 500
SWEEP_PAGES = 200
"""Of one sweep; the next goes on where it ended."""
FEW_ORPHANS = 20
"""So many in a page are deleted whatever their share of it."""
_FOLDERS = tuple(f"{kind}/" for kind in KINDS)


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


class OrphanSweeper:
    """Deletes images that no task names: what was stored in a moment in which the process died, or lost the place.

    Looks at a bounded number of images each time, from a place in their order that is first chosen by chance, so that
    processes that are often replaced come around too.
    """

    def __init__(self, store: TaskStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._after = new_key(random.choice(KINDS))  # noqa: S311 (no secret: any place will do)

    async def __call__(self) -> None:
        """Look at the next images, up to the last one, and delete those that nobody needs."""
        for _ in range(SWEEP_PAGES):
            page = await self._blobs.list(after=self._after, limit=SWEEP_PAGE)
            if not await self._sweep(page):
                return
            if len(page) < SWEEP_PAGE:
                self._after = ""
                return
            self._after = page[-1].key

    async def _sweep(self, page: Sequence[Stored]) -> bool:
        """Delete what nobody needs of these; return False if they don't look like this database's images."""
        before = self._clock.now() - ORPHAN_AGE
        old = {stored.key for stored in page if stored.at < before and stored.key.startswith(_FOLDERS)}
        orphans = old - {*await self._store.named_blobs(old)} if old else old
        if len(orphans) > FEW_ORPHANS and 2 * len(orphans) > len(old):
            logger.error(
                "%d of %d images in the %s are no task's; it seems to be another database's, so none is deleted",
                len(orphans),
                len(old),
                self._blobs.where,
            )
            return False
        if orphans:
            await self._blobs.delete(*orphans)
            logger.info("deleted %d images that no task names", len(orphans))
        return True
