"""Deletes tasks on request, and their images with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from generator_service.image_removal import ImageRemover
from generator_service.store.contract import TaskStore

DELETE_CHUNK = 200
"""Tasks deleted in one transaction, so that others get in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Deletes tasks. The log is committed first; images are removed then, or as soon as possible."""

    store: TaskStore
    remover: ImageRemover

    async def delete(self, task_ids: Collection[int], user_id: str | None) -> Sequence[int]:
        """Delete tasks; ``user_id`` None means any owner. Return the ids of those that existed."""
        wanted = iter(dict.fromkeys(task_ids))
        deleted: list[int] = []
        while chunk := list(islice(wanted, DELETE_CHUNK)):
            deleted += await self._delete(chunk, user_id)
        return deleted

    async def delete_batch(self, user_id: str, batch_id: str) -> Sequence[int]:
        """Close a batch and delete its tasks; return their ids.

        Raises:
            BatchNotFound: the user has no task of this batch.

        """
        await self.store.close_batch(user_id, batch_id)
        return await self.delete_all(user_id, batch_id=batch_id)

    async def delete_all(self, user_id: str, *, batch_id: str | None = None) -> Sequence[int]:
        """Delete all tasks that a user, or one batch, has now; return their ids."""
        deleted: list[int] = []
        before: int | None = None
        # Tasks that are added meanwhile have higher ids.
        while chunk := await self.store.task_ids(user_id, batch_id=batch_id, before=before, limit=DELETE_CHUNK):
            deleted += await self._delete(chunk, user_id)
            before = chunk[-1]
        return deleted

    async def _delete(self, task_ids: Collection[int], user_id: str | None) -> Sequence[int]:
        deleted = await self.store.delete_tasks(task_ids, user_id)
        await self.remover.remove_now(deleted.images)
        return deleted.task_ids
