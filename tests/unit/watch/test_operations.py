"""Changes that no event reports are hinted to watchers of all users, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from generator_service.domain.breaker import Breaker, pause_name
from generator_service.domain.task_options import Engine
from generator_service.domain.worker_info import WorkerInfo
from generator_service.store.admin_contract import AdminStore
from generator_service.watch.operations import OperationsWatch
from generator_service.watch.watchers import Scope, Watchers
from tests.support.clock import NOON

WORKER = WorkerInfo(name="w1", host="one", version="0.1.0", slots=2, engines=[Engine.LOCAL])
PAUSE = Breaker(name=pause_name(None)).pause(note="moving the disks", now=NOON, until=None)


class Store:
    """The part of a store that is read."""

    def __init__(self) -> None:
        self.live: Sequence[WorkerInfo] = ()

    async def workers(self) -> Sequence[WorkerInfo]:
        """Return the live workers."""
        return list(self.live)


async def test_only_changes_are_hinted() -> None:
    store, watchers = Store(), Watchers(limit=10)
    operations = OperationsWatch(cast("AdminStore", store), watchers)
    hints = []
    with watchers.open(Scope(None)) as watcher:
        for live in ([], [WORKER], [WORKER], []):
            store.live = live
            await operations()
            hints.append((await watcher.take(0, 10)).queue_changed)
        for breakers in ({}, {PAUSE.name: PAUSE}, {PAUSE.name: PAUSE}, {}):
            operations.take_breakers(breakers)
            hints.append((await watcher.take(0, 10)).queue_changed)

    assert hints == [False, True, False, True] * 2
