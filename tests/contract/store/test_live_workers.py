"""Live workers: registered, renewed, expired by queue time, and removed by an orderly stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from generator_service.domain.task_options import Engine
from generator_service.domain.worker_info import WorkerInfo
from tests.contract.store.conftest import OpenStore
from tests.support.store import StoreHarness

LASTS = timedelta(seconds=15)
SECOND = timedelta(seconds=1)
WORKER = WorkerInfo(name="w1", host="one", version="0.1.0", slots=4, engines=[Engine.GEMINI, Engine.LOCAL])
OTHER = replace(WORKER, name="w2", host="two", engines=[])


async def test_workers_are_listed_whether_they_run_a_task_or_not(desk: StoreHarness) -> None:
    assert await desk.store.admin.workers() == []
    await desk.store.admin.renew_worker(OTHER, lasts=LASTS)
    await desk.store.admin.renew_worker(WORKER, lasts=LASTS)

    assert await desk.store.admin.workers() == [WORKER, OTHER]
    now = desk.clock.now()
    overview = await desk.store.admin.overview(now=now, ended_from=now, failures_from=now)
    assert overview.workers == [WORKER, OTHER]


async def test_worker_expires_unless_it_is_renewed(desk: StoreHarness) -> None:
    for worker in (WORKER, OTHER):
        await desk.store.admin.renew_worker(worker, lasts=LASTS)
    desk.clock.advance(LASTS - SECOND)
    await desk.store.admin.renew_worker(replace(WORKER, slots=2), lasts=LASTS)
    desk.clock.advance(2 * SECOND)

    assert await desk.store.admin.workers() == [replace(WORKER, slots=2)]


async def test_worker_that_was_frozen_returns(desk: StoreHarness) -> None:
    await desk.store.admin.renew_worker(WORKER, lasts=LASTS)
    desk.clock.advance(2 * LASTS)
    # This one deletes the expired row.
    await desk.store.admin.renew_worker(OTHER, lasts=LASTS)
    await desk.store.admin.renew_worker(WORKER, lasts=LASTS)

    assert await desk.store.admin.workers() == [WORKER, OTHER]


async def test_worker_is_removed_at_once(open_store: OpenStore) -> None:
    desk = open_store()
    await desk.store.admin.renew_worker(WORKER, lasts=LASTS)
    await desk.store.admin.remove_worker("w2")
    assert await desk.store.admin.workers() == [WORKER]

    await desk.store.admin.remove_worker("w1")
    assert await desk.store.admin.workers() == []


async def test_registrations_are_no_events(desk: StoreHarness) -> None:
    await desk.store.admin.renew_worker(WORKER, lasts=LASTS)
    await desk.store.admin.remove_worker("w1")

    assert (await desk.store.events_after(0, limit=10)).head.position == 0
