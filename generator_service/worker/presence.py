"""Keeps a worker's row in the database, so that operators see idle workers too."""

from __future__ import annotations

import logging
from datetime import timedelta

from generator_service.domain.worker_info import WorkerInfo
from generator_service.store.admin_contract import AdminStore
from generator_service.store.reconnect import DatabaseUnavailable

logger = logging.getLogger(__name__)


class Presence:
    """Registers a worker whenever it is called; the registration lasts for ``lasts``, or until `end`."""

    def __init__(self, store: AdminStore, worker: WorkerInfo, *, lasts: timedelta) -> None:
        self._store = store
        self._worker = worker
        self._lasts = lasts

    async def __call__(self) -> None:
        """Renew the registration."""
        await self._store.renew_worker(self._worker, lasts=self._lasts)

    async def end(self) -> None:
        """Remove the registration; if that fails, it expires."""
        try:
            await self._store.remove_worker(self._worker.name)
        except DatabaseUnavailable as error:
            logger.warning("the worker's registration could not be removed; it expires: %s", error)
