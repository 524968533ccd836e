"""What every process of the service is made of, by its settings: clock, store, wake, images, engines, and a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from generator_service.blobs.contract import Blobs
from generator_service.blobs.local import LocalBlobs
from generator_service.data_dir import data_dir_lock, make_data_dir
from generator_service.domain.clock import Clock, SystemClock
from generator_service.domain.event import TaskEvent
from generator_service.domain.retry import RetryPolicy
from generator_service.engines.gemini import GeminiSettings
from generator_service.engines.pool import PoolSettings
from generator_service.engines.registry import Engines, EngineSettings
from generator_service.engines.rembg import RembgSettings
from generator_service.metrics import Metrics
from generator_service.settings import Settings, worker_name
from generator_service.store.contract import Limits, TaskStore
from generator_service.store.postgres import driver_url, open_postgres
from generator_service.store.sqlite import open_sqlite
from generator_service.wake.contract import Topic, Wake
from generator_service.wake.local import LocalWake
from generator_service.wake.postgres import PostgresLine
from generator_service.wake.redis import RedisLine
from generator_service.wake.relayed import RelayedWake
from generator_service.watch.committed import Committed
from generator_service.worker import Worker, WorkerSettings

COMMITTED_EVENTS = 2000
"""Events that may wait to be told without being read back; more are read from the database."""


@dataclass(slots=True, kw_only=True)
class Parts:
    """The parts of one process, ready for use."""

    clock: Clock
    metrics: Metrics
    wake: Wake
    store: TaskStore
    committed: Committed
    """What this process has committed itself, for its own tail."""
    blobs: Blobs
    engines: Engines
    worker: Worker | None


@asynccontextmanager
async def parts_of(settings: Settings, engines: Engines | None = None) -> AsyncIterator[Parts]:
    """Open all that the settings ask for; close it after the block.

    ``engines`` stand in for those of the settings.

    Raises:
        BlobsUnusable: there are no credentials for the bucket.
        DataDirInUse: another service holds the data folder.
        DataDirUnusable: the data folder can't be made or written.
        NoEngine: the engine order names none that is set up.
        RembgUnusable: rembg is set up with a model that may not or can't be used.
        StoreAway: the database can't be reached.

    """
    clock, metrics = SystemClock(), Metrics()
    if settings.needs_data_dir:
        make_data_dir(settings.data_dir)
    async with AsyncExitStack() as stack:
        if settings.database_url is None:
            await stack.enter_async_context(data_dir_lock(settings.data_dir, settings.data_dir_wait))
        wake = await _open_wake(settings, stack)
        committed = Committed(asyncio.get_running_loop(), COMMITTED_EVENTS)
        store = await _open_store(settings, clock, wake, committed, metrics)
        stack.push_async_callback(store.close)
        engines = engines or Engines.from_settings(engine_settings(settings), metrics.model_called)
        blobs = await asyncio.to_thread(open_blobs, settings)
        worker = None
        if settings.worker_slots:
            await stack.enter_async_context(engines)
            worker = Worker(
                _worker_settings(settings),
                store=store,
                wake=wake,
                blobs=blobs,
                engines=engines,
                clock=clock,
                metrics=metrics,
            )
        yield Parts(
            clock=clock,
            metrics=metrics,
            wake=wake,
            store=store,
            committed=committed,
            blobs=blobs,
            engines=engines,
            worker=worker,
        )


def open_blobs(settings: Settings) -> Blobs:
    """Return the place of images that the settings name. May ask the network for a role's credentials.

    Raises:
        BlobsUnusable: there are none.

    """
    if settings.bucket is None:
        return LocalBlobs(settings.blobs_folder)
    # What speaks S3 takes a quarter of a second to import, and most machines have no bucket.
    from generator_service.blobs.s3 import S3Blobs

    return S3Blobs(settings.bucket)


async def _open_wake(settings: Settings, stack: AsyncExitStack) -> Wake:
    local = LocalWake(asyncio.get_running_loop())
    if settings.redis_url is not None:
        relayed = RelayedWake(local, RedisLine(settings.redis_url.get_secret_value()))
    elif settings.database_url is not None:
        relayed = RelayedWake(local, PostgresLine(driver_url(settings.database_url.get_secret_value())))
    else:
        return local
    await stack.enter_async_context(relayed.connected())
    return relayed


async def _open_store(
    settings: Settings, clock: Clock, wake: Wake, committed: Committed, metrics: Metrics
) -> TaskStore:
    def on_commit(events: Sequence[TaskEvent]) -> None:
        committed.put(events)
        wake.announce(Topic.LOG)
        metrics.committed(events)

    if settings.database_url is None:
        open_it = partial(open_sqlite, settings.database)
    else:
        open_it = partial(open_postgres, settings.database_url.get_secret_value())
    return await asyncio.to_thread(
        open_it,
        clock=clock,
        limits=Limits(pending_per_user=settings.pending_per_user, running_per_user=settings.running_per_user),
        retry=RetryPolicy(base=settings.retry_base, cap=settings.retry_cap),
        on_commit=on_commit,
    )


def engine_settings(settings: Settings) -> EngineSettings:
    """Return which engines the settings ask for."""
    gemini = None
    if settings.gemini_api_key is not None:
        gemini = GeminiSettings(
            api_key=settings.gemini_api_key.get_secret_value(),
            model=settings.gemini_model,
            base_url=settings.gemini_base_url,
            timeout=settings.gemini_timeout.total_seconds(),
            concurrency=settings.gemini_concurrency,
            calls_per_minute=settings.gemini_calls_per_minute,
            tries=settings.gemini_tries,
        )
    rembg = None
    if settings.rembg_model is not None:
        rembg = RembgSettings(model=settings.rembg_model, weights=settings.rembg_weights)
    pool = PoolSettings(
        processes=settings.pool_processes,
        memory_bytes=settings.pool_memory_mib * 1024**2,
        job_timeout=settings.pool_job_timeout.total_seconds(),
    )
    return EngineSettings(order=settings.engine_order, pool=pool, gemini=gemini, rembg=rembg)


def _worker_settings(settings: Settings) -> WorkerSettings:
    return WorkerSettings(
        owner=worker_name(),
        slots=settings.worker_slots,
        lease=settings.lease,
        heartbeat=settings.heartbeat,
        drain=settings.drain,
    )
