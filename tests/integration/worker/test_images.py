"""The images that a worker leaves in the store, and its errors while the store is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.blobs.local import LocalBlobStore
from generator_service.domain.clock import SystemClock
from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.routing import Routing
from generator_service.domain.task import TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.image_store import MARKER_KEY, ImageStoreGuard, Marker
from generator_service.images import Images
from generator_service.notifier.local import LocalNotifier
from generator_service.ops.metrics import Metrics
from generator_service.store.sql import SqlTaskStore
from generator_service.worker.generation import Generation
from generator_service.worker.worker import Worker, WorkerSettings
from tests.integration.worker.conftest import submitted
from tests.support.slow_worker import SlowEngine
from tests.support.store import LEASE

WITHIN = 20.0


class PromptEngine(SlowEngine):
    """Returns its picture at once, after a callback."""

    def __init__(self, first: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._first = first
        self.began = asyncio.Event()

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        self.began.set()
        await self._first()
        return self._picture


class BlobsThatGoAway(LocalBlobStore):
    """Stores results, but no thumbnails."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.results_stored = 0

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        if key.startswith("thumbnail/"):
            raise BlobStoreUnavailable("bucket images at https://store can't be used: it does not answer")
        await super().put(key, data, content_type=content_type)
        self.results_stored += key.startswith("result/")


async def worked(store: SqlTaskStore, blobs: LocalBlobStore, first: Callable[[], Awaitable[object]]) -> None:
    """Run a worker until nothing is left to do."""
    engine = PromptEngine(first)
    engines = Engines(JobPool(PoolSettings(processes=1)), [engine], (Engine.LOCAL,))
    wake = LocalNotifier(asyncio.get_running_loop())
    worker = Worker(
        WorkerSettings(owner="w1", slots=1),
        store=store,
        wake=wake,
        images=Images(blobs, store),
        engines=engines,
        clock=SystemClock(),
    )
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(WITHIN):
        await engine.began.wait()
        while runs := list(worker._runs.values()):
            with suppress(asyncio.CancelledError):
                await runs[0].activity
    worker.drain()
    await working


async def left(blobs: LocalBlobStore) -> list[str]:
    return [stored.key.partition("/")[0] for stored in await blobs.list(after="", limit=100)]


async def test_a_result_that_is_refused_is_deleted_at_once(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: store.cancel(task.task_id, None))
    assert (await store.get(task.task_id, None)).state is TaskState.CANCELLED
    assert await left(blobs) == ["input"]


async def test_a_result_that_is_taken_stays(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: asyncio.sleep(0))
    assert (await store.get(task.task_id, None)).state is TaskState.COMPLETED
    assert await left(blobs) == ["input", "result", "thumbnail"]


async def test_an_attempt_whose_result_can_not_be_stored_is_snoozed(store: SqlTaskStore, tmp_path: Path) -> None:
    blobs = BlobsThatGoAway(tmp_path / "blobs")
    task = await submitted(store, blobs)
    await worked(store, blobs, lambda: asyncio.sleep(0))
    after = await store.get(task.task_id, None)
    assert after.state is TaskState.PENDING
    assert after.error is not None
    assert (after.error.code, after.error.retryable) == ("images_unavailable", True)
    assert (after.wait_reason, after.failures) == (WaitReason.STORE_UNAVAILABLE, 0)
    assert after.error.message == "bucket images at https://store can't be used: it does not answer"
    assert after.run_at is not None
    assert after.run_at == (await store.breakers())["blobs"].open_until
    assert blobs.results_stored == 1
    assert await left(blobs) == ["input"], "half a result is none"


async def test_auto_takes_the_next_engine_where_one_runs_out_of_memory(store: SqlTaskStore, tmp_path: Path) -> None:
    class Network(PromptEngine):
        name = Engine.NEURAL

    async def fail() -> None:
        raise EngineError("out_of_memory", "the photo needs more memory", retryable=True, engine_fault=True)

    blobs = LocalBlobStore(tmp_path / "blobs")
    await submitted(store, blobs)
    (task,) = (await store.claim("w1", limit=1, lease_for=LEASE)).tasks
    task = replace(task, options=replace(task.options, engine=Engine.AUTO))
    order = (Engine.NEURAL, Engine.LOCAL)
    engines = Engines(
        JobPool(PoolSettings(processes=1)), [Network(fail), PromptEngine(lambda: asyncio.sleep(0))], order
    )
    generation = Generation(
        store=store, images=Images(blobs, store), engines=engines, routing=Routing(order=order), metrics=Metrics()
    )
    used: list[Engine] = []
    picture = await generation.make(task, {}, lambda *_: None, used.append)
    assert (used, picture.engine) == ([*order], Engine.LOCAL)
    assert "needs more memory" in picture.findings[0].message


@pytest.mark.parametrize(("prompt", "found"), [("keep the strap open", ["prompt_ignored"]), ("", [])])
async def test_a_prompt_that_the_engine_does_not_follow_is_found(
    store: SqlTaskStore, tmp_path: Path, prompt: str, found: list[str]
) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    await submitted(store, blobs)
    (task,) = (await store.claim("w1", limit=1, lease_for=LEASE)).tasks
    task = replace(task, options=replace(task.options, prompt=prompt))
    engines = Engines(JobPool(PoolSettings(processes=1)), [PromptEngine(lambda: asyncio.sleep(0))], (Engine.LOCAL,))
    generation = Generation(
        store=store, images=Images(blobs, store), engines=engines, routing=Routing(), metrics=Metrics()
    )
    picture = await generation.make(task, {}, lambda *_: None, lambda _: None)
    assert [finding.code for finding in picture.findings] == found


async def test_photo_missing_in_the_image_store_of_another_database_is_waited_for(
    store: SqlTaskStore, tmp_path: Path
) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    await submitted(store, blobs)
    assert await ImageStoreGuard(store, blobs).verified()
    (task,) = (await store.claim("w1", limit=1, lease_for=LEASE)).tasks
    engines = Engines(JobPool(PoolSettings(processes=1)), [PromptEngine(lambda: asyncio.sleep(0))], (Engine.LOCAL,))
    generation = Generation(
        store=store, images=Images(blobs, store), engines=engines, routing=Routing(), metrics=Metrics()
    )
    await blobs.delete(task.input.blob)
    with pytest.raises(EngineError) as missing:
        await generation.make(task, {}, lambda *_: None, lambda _: None)
    assert missing.value.code == "input_missing"
    await blobs.put(MARKER_KEY, Marker("another", 0).encode(), content_type="application/json")
    with pytest.raises(BlobStoreUnavailable, match="belongs to another database"):
        await generation.make(task, {}, lambda *_: None, lambda _: None)
