"""A worker measures outages by queue time, as the claims do, whatever happens to the wall clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from generator_service.blobs.contract import new_key
from generator_service.blobs.local import LocalBlobStore
from generator_service.domain.breaker import Outage, engine_breaker
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import WaitReason
from generator_service.domain.task_options import Engine
from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.images import Images
from generator_service.notifier.local import LocalNotifier
from generator_service.store.limits import Limits
from generator_service.store.sqlite import open_sqlite
from generator_service.worker.worker import Worker, WorkerSettings
from tests.support.clock import SettableClock
from tests.support.patience import PATIENCE
from tests.support.slow_worker import SlowEngine
from tests.support.store import new_task


async def test_a_probe_runs_although_the_wall_clock_was_set_back(tmp_path: Path) -> None:
    clock, blobs = SettableClock(), LocalBlobStore(tmp_path / "blobs")
    store = open_sqlite(
        tmp_path / "tasks.db", clock=clock, limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    new = new_task()
    photo = replace(new.input, blob=new_key("input"))
    await blobs.put(photo.blob, b"photo", content_type="image/png")
    await store.enqueue(replace(new, input=photo))
    await store.trip(
        Outage(
            reason=WaitReason.ENGINE_UNAVAILABLE,
            code="overloaded",
            message="is overloaded",
            dependency=engine_breaker(Engine.LOCAL),
            retry_after=timedelta(seconds=30),
        )
    )
    clock.advance(timedelta(seconds=31))
    clock.step(-timedelta(hours=1))
    worker = Worker(
        WorkerSettings(owner="w1", slots=1),
        store=store,
        wake=LocalNotifier(asyncio.get_running_loop()),
        images=Images(blobs, store),
        engines=Engines(JobPool(PoolSettings(processes=1)), [SlowEngine()], (Engine.LOCAL,)),
        clock=clock,
    )
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(PATIENCE):
        while len(events := (await store.latest_events(3)).events) < 3:  # noqa: ASYNC110 (no tail here)
            await asyncio.sleep(0.01)
    worker.drain()
    await working
    await store.close()
    assert [each.type for each in events] == [EventType.CREATED, EventType.STARTED, EventType.COMPLETED]
