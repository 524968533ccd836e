"""The sweep of orphans: images without a task, left when a process died or lost the image store."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

from generator_service.blobs.contract import KINDS, BlobStore, Stored, new_key
from generator_service.domain.clock import Clock
from generator_service.image_store import IMAGE_FOLDERS, ImageStoreGuard
from generator_service.store.image_contract import ImageRecords

logger = logging.getLogger(__name__)

ORPHAN_AGE = timedelta(hours=24)
"""Age from which an image without a task counts as an orphan: a photo is stored seconds before its task, and a result
seconds before the task's completion."""
GRACE = timedelta(hours=24)
"""Time between marking and deleting an orphan."""
SWEEP_PAGE = 500
SWEEP_PAGES = 200
"""Pages of one sweep; the next sweep continues after them."""


class OrphanSweeper:
    """Marks images without a task, and deletes those that were marked a day ago and still have none.

    It deletes nothing unless the image store is verified to belong to this database. Each run looks at a bounded number
    of images, starting at a random key, so that processes that are replaced often cover all images too.
    """

    def __init__(
        self,
        store: ImageRecords,
        blobs: BlobStore,
        clock: Clock,
        guard: ImageStoreGuard,
        on_deleted: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._guard = guard
        self._on_deleted = on_deleted
        self._after = new_key(random.choice(KINDS))  # noqa: S311 (no secret: any key will do)

    async def __call__(self) -> None:
        """Sweep the next images, at most to the end."""
        for _ in range(SWEEP_PAGES):
            if not await self._guard.verified():
                return
            page = await self._blobs.list(after=self._after, limit=SWEEP_PAGE)
            await self._sweep(page)
            if len(page) < SWEEP_PAGE:
                self._after = ""
                return
            self._after = page[-1].key

    async def _sweep(self, page: Sequence[Stored]) -> None:
        now = self._clock.now()
        old = {stored.key for stored in page if stored.at < now - ORPHAN_AGE and stored.key.startswith(IMAGE_FOLDERS)}
        if not old:
            return
        marked = await self._store.orphan_marks(old)
        orphans = old - {*await self._store.named_blobs(old)}
        due = {key for key in orphans if key in marked and marked[key] <= now - GRACE}
        if due:
            await self._blobs.delete(*due)
            self._on_deleted(len(due))
            logger.info("deleted %d images that no task names", len(due))
        new, void = orphans - marked.keys(), marked.keys() - orphans | due
        if new or void:
            await self._store.update_orphan_marks(add=dict.fromkeys(new, now), remove=void)
        if new:
            logger.info("marked %d images that no task names; they are deleted in %s", len(new), GRACE)
