"""What a worker leaves behind in the place of images, and what it says when that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from generator_service.blobs.contract import BlobsAway, new_key
from generator_service.blobs.local import LocalBlobs
from generator_service.domain.clock import SystemClock
from generator_service.domain.presets import PictureSpec
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Engine, Task, TaskState
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import JobPool
from generator_service.engines.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.store.contract import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from generator_service.wake.local import LocalWake
from generator_service.worker import Worker, WorkerSettings
from tests.cluster.slow_worker import SlowEngine
from tests.support.store import new_task

WITHIN = 20.0


class PromptEngine(SlowEngine):
    """Makes its picture at once, after something has happened."""

    def __init__(self, first: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._first = first
        self.began = asyncio.Event()

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        self.began.set()
        await self._first()
        return self._picture


class BlobsThatGoAway(LocalBlobs):
    """Takes results, and no thumbnails."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.results_stored = 0

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        if key.startswith("thumbnail/"):
            raise BlobsAway("bucket images at https://store can't be used: it does not answer")
        await super().put(key, data, content_type=content_type)
        self.results_stored += key.startswith("result/")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlTaskStore]:
    store = open_sqlite(
        tmp_path / "tasks.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    yield store
    await store.close()


async def submitted(store: SqlTaskStore, blobs: LocalBlobs) -> Task:
    new = new_task()
    photo = replace(new.input, blob=new_key("input"))
    await blobs.put(photo.blob, b"photo", content_type="image/png")
    return (await store.enqueue(replace(new, input=photo))).task


async def worked(store: SqlTaskStore, blobs: LocalBlobs, first: Callable[[], Awaitable[object]]) -> None:
    """Let a worker do all that there is to do."""
    engine = PromptEngine(first)
    engines = Engines(JobPool(PoolSettings(processes=1)), [engine], (Engine.LOCAL,))
    wake = LocalWake(asyncio.get_running_loop())
    worker = Worker(
        WorkerSettings(owner="w1", slots=1), store=store, wake=wake, blobs=blobs, engines=engines, clock=SystemClock()
    )
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(WITHIN):
        await engine.began.wait()
        while runs := list(worker._runs.values()):
            with suppress(asyncio.CancelledError):
                await runs[0].activity
    worker.drain()
    await working


async def left(blobs: LocalBlobs) -> list[str]:
    return [stored.key.partition("/")[0] for stored in await blobs.list(after="", limit=100)]


async def test_a_result_that_is_refused_is_deleted_at_once(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: store.cancel(task.task_id, None))
    assert (await store.get(task.task_id, None)).state is TaskState.CANCELLED
    assert await left(blobs) == ["input"]


async def test_a_result_that_is_taken_stays(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: asyncio.sleep(0))
    assert (await store.get(task.task_id, None)).state is TaskState.COMPLETED
    assert await left(blobs) == ["input", "result", "thumbnail"]


async def test_an_attempt_that_can_not_store_its_result_is_made_again_later(
    store: SqlTaskStore, tmp_path: Path
) -> None:
    blobs = BlobsThatGoAway(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: asyncio.sleep(0))
    after = await store.get(task.task_id, None)
    assert after.state is TaskState.PENDING
    assert after.error is not None
    assert (after.error.code, after.error.retryable) == ("images_away", True)
    assert after.error.message == "bucket images at https://store can't be used: it does not answer"
    assert after.run_at is not None
    assert after.run_at >= after.updated_at + timedelta(seconds=14)
    assert blobs.results_stored == 1
    assert await left(blobs) == ["input"], "half a result is none"
