"""Removes the images of deleted tasks from the image store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from generator_service.blobs.contract import BlobStore, BlobStoreUnavailable
from generator_service.image_store import ImageStoreGuard
from generator_service.store.image_contract import ImageRecords

logger = logging.getLogger(__name__)

REMOVE_CHUNK = 500
AT_ONCE_SECONDS = 5.0
"""How long a caller waits for the image store; afterwards the removal continues in the background."""


class ImageRemover:
    """Removes images that the store has recorded for removal, if the image store belongs to this database.

    The record is part of the transaction that deletes the tasks, and ends after the removal. So an image store that is
    unavailable, or a crash, delays a removal and never loses one. Removing an image twice is harmless.
    """

    def __init__(self, store: ImageRecords, blobs: BlobStore, guard: ImageStoreGuard) -> None:
        self._store = store
        self._blobs = blobs
        self._guard = guard

    async def __call__(self) -> None:
        """Remove all recorded images."""
        while keys := await self._store.image_deletions(limit=REMOVE_CHUNK):
            if not await self._remove(keys):
                return
            logger.info("removed %d images of deleted tasks", len(keys))

    async def remove_now(self, keys: Sequence[str]) -> None:
        """Remove these images if possible at present; otherwise they are left to the next run."""
        try:
            async with asyncio.timeout(AT_ONCE_SECONDS):
                for start in range(0, len(keys), REMOVE_CHUNK):
                    await self._remove(keys[start : start + REMOVE_CHUNK])
        except (BlobStoreUnavailable, TimeoutError) as error:
            logger.warning("images of deleted tasks are removed later: %r", error)

    async def _remove(self, keys: Sequence[str]) -> bool:
        if not await self._guard.verified():
            return False
        await self._blobs.delete(*keys)
        await self._store.end_image_deletions(keys)
        return True
