"""A worker's slot is released however its run ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from generator_service.blobs.local import LocalBlobStore
from generator_service.domain.clock import SystemClock
from generator_service.domain.event import EventType
from generator_service.domain.task import TaskState
from generator_service.domain.task_options import Engine
from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.images import Images
from generator_service.notifier.local import LocalNotifier
from generator_service.ops.metrics import Metrics
from generator_service.store.contract import Claimed
from generator_service.store.sql import SqlTaskStore
from generator_service.worker.worker import Worker, WorkerSettings
from tests.integration.worker.conftest import submitted
from tests.support.api import SECRET, Api, open_channel, token
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import service_process
from tests.support.slow_worker import SlowEngine

PHOTO = product_photo(64, 48)
"""Takes the engine half a second, so that no task ends before it is cancelled."""
BURST = 24
ROUNDS = 4


async def test_a_run_cancelled_before_its_first_step_releases_its_slot(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs, metrics = LocalBlobStore(tmp_path / "blobs"), Metrics()
    worker = Worker(
        WorkerSettings(owner="w1", slots=1),
        store=store,
        wake=LocalNotifier(asyncio.get_running_loop()),
        images=Images(blobs, store),
        engines=Engines(JobPool(PoolSettings(processes=1)), [SlowEngine()], (Engine.LOCAL,)),
        clock=SystemClock(),
        metrics=metrics,
    )
    task = await submitted(store, blobs)
    assert worker.reserve() == 1
    claimed = await store.claim("w1", limit=1, lease_for=timedelta(seconds=15))
    await store.cancel(task.task_id, None)
    cancelled = (await store.latest_events(1)).events

    # Both are called in one iteration of the loop, so the run is stopped before its first turn.
    worker.deliver(claimed, 1)
    asyncio.get_running_loop().call_soon(worker.notice, cancelled)
    working = asyncio.create_task(worker.run())
    second = await submitted(store, blobs)
    async with asyncio.timeout(PATIENCE):
        while (await store.get(second.task_id, None)).state is not TaskState.COMPLETED:  # noqa: ASYNC110 (no tail here)
            await asyncio.sleep(0.01)
    worker.drain()
    await working
    sample = metrics.registry.get_sample_value
    assert sample("whitebg_worker_running") == 0
    assert sample("whitebg_worker_runs_total", {"engine": "auto", "outcome": "lost"}) == 1
    assert sample("whitebg_worker_runs_total", {"engine": "auto", "outcome": "completed"}) == 1


async def test_the_commit_that_ends_a_run_starts_the_next_one(
    store: SqlTaskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_nothing(*_: object, **__: object) -> Claimed:
        return Claimed()

    monkeypatch.setattr(store, "claim", claim_nothing)
    blobs = LocalBlobStore(tmp_path / "blobs")
    worker = Worker(
        WorkerSettings(owner="w1", slots=1),
        store=store,
        wake=LocalNotifier(asyncio.get_running_loop()),
        images=Images(blobs, store),
        engines=Engines(JobPool(PoolSettings(processes=1)), [SlowEngine()], (Engine.LOCAL,)),
        clock=SystemClock(),
    )
    working = asyncio.create_task(worker.run())
    # Once it runs, it claims within commits.
    await asyncio.sleep(0)
    tasks = [await submitted(store, blobs) for _ in range(3)]
    async with asyncio.timeout(PATIENCE):
        while (await store.get(tasks[-1].task_id, None)).state is not TaskState.COMPLETED:  # noqa: ASYNC110 (no tail here)
            await asyncio.sleep(0.01)
    worker.drain()
    await working
    assert [event.type for event in (await store.latest_events(9)).events].count(EventType.COMPLETED) == 3


async def test_tasks_cancelled_as_they_are_submitted_leave_a_service_that_works(tmp_path: Path) -> None:
    with service_process(tmp_path, SECRET, worker_slots="8", pool_processes="1", running_per_user="8") as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))

            async def submit_and_cancel() -> None:
                await api.cancel((await api.submit(PHOTO)).task_id)

            for _ in range(ROUNDS):
                # All at once: cancellations then follow claims within one iteration of the service's loop.
                submitted = await asyncio.gather(*(api.submit(PHOTO) for _ in range(BURST)))
                await asyncio.gather(*(api.cancel(task.task_id) for task in submitted))
                await asyncio.gather(*(submit_and_cancel() for _ in range(BURST)))
            after = [await api.submit() for _ in range(2)]
            ended = await api.finished(*(task.task_id for task in after))
            assert all(task.HasField("result") for task in ended)
