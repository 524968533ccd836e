"""Detects changes that operators see and no event reports: workers that start or stop, pauses, breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from generator_service.domain.breaker import Breaker
from generator_service.domain.worker_info import WorkerInfo
from generator_service.store.admin_contract import AdminStore
from generator_service.watch.watchers import Watchers


class OperationsWatch:
    """Compares workers and breakers with the previous ones, and hints watchers of all users at each change."""

    def __init__(self, store: AdminStore, watchers: Watchers) -> None:
        self._store = store
        self._watchers = watchers
        self._workers: Sequence[WorkerInfo] = []
        self._breakers: Mapping[str, Breaker] = {}

    async def __call__(self) -> None:
        """Read the live workers."""
        workers = list(await self._store.workers())
        if workers != self._workers:
            self._workers = workers
            self._watchers.push_queue_change()

    def take_breakers(self, breakers: Mapping[str, Breaker]) -> None:
        """Take the present pauses, limits and breakers."""
        if breakers != self._breakers:
            self._breakers = breakers
            self._watchers.push_queue_change()
