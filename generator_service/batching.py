"""Batches of tasks, closed and cancelled as one."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.batch import Batch
from generator_service.store.contract import TaskStore

CANCEL_CHUNK = 200
"""Tasks cancelled in one transaction, so that others get in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The batches of all users. Every method raises `BatchNotFound` if the user has no task of the batch."""

    store: TaskStore

    async def get(self, user_id: str, batch_id: str) -> Batch:
        """Return a batch."""
        return await self.store.batch(user_id, batch_id)

    async def close(self, user_id: str, batch_id: str) -> Batch:
        """Close a batch, and return it."""
        await self.store.close_batch(user_id, batch_id)
        return await self.store.batch(user_id, batch_id)

    async def cancel(self, user_id: str, batch_id: str) -> Batch:
        """Close a batch, cancel its tasks that have not ended, and return it."""
        await self.store.close_batch(user_id, batch_id)
        before: int | None = None
        while ids := await self.store.task_ids(user_id, batch_id=batch_id, before=before, limit=CANCEL_CHUNK):
            await self.store.cancel_unfinished(ids)
            before = ids[-1]
        return await self.store.batch(user_id, batch_id)
