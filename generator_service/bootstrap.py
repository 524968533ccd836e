"""Creates the components of a process from its settings: clock, store, notifier, images, engines and worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from generator_service.blobs.contract import BlobStore
from generator_service.blobs.local import LocalBlobStore
from generator_service.data_dir import data_dir_lock, make_data_dir, tighten_data_dir
from generator_service.domain.clock import Clock, SystemClock
from generator_service.domain.event import TaskEvent
from generator_service.domain.readiness import Limits as ReadinessLimits
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import Routing, WaitPolicy
from generator_service.engines.gemini_settings import GeminiSettings
from generator_service.engines.neural.files import ModelFolder
from generator_service.engines.neural.settings import NeuralSettings, has_runtime
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines, EngineSettings
from generator_service.image_removal import ImageRemover
from generator_service.image_store import ImageStoreGuard
from generator_service.images import Images
from generator_service.notifier.contract import Notifier, Topic
from generator_service.notifier.local import LocalNotifier
from generator_service.notifier.relayed import RelayNotifier
from generator_service.ops.metrics import Metrics
from generator_service.ops.readiness import ReadinessMonitor
from generator_service.settings import Settings, worker_name
from generator_service.store.contract import TaskStore
from generator_service.store.limits import Limits
from generator_service.store.postgres import driver_url, open_postgres
from generator_service.store.sqlite import open_sqlite
from generator_service.store.writer import CommitListener
from generator_service.watch.committed import LocalCommitBuffer
from generator_service.worker.worker import Worker, WorkerSettings
from whitebg_process.threads import finish_in_thread

BUCKET_PROBE_SECONDS = 30.0
"""Interval of write probes of a bucket, each of which is charged for."""
COMMITTED_EVENTS = 2000
"""Events that may wait for dispatch in memory; further ones are read from the database."""


@dataclass(slots=True, kw_only=True)
class Components:
    """The components of one process, ready for use."""

    clock: Clock
    metrics: Metrics
    wake: Notifier
    store: TaskStore
    committed: LocalCommitBuffer
    """Commits of this process, for its own log tail."""
    blobs: Images
    engines: Engines
    """Not started; the process that runs the worker starts them."""
    routing: Routing
    worker: Worker | None
    readiness: ReadinessMonitor
    image_guard: ImageStoreGuard
    image_remover: ImageRemover


@asynccontextmanager
async def parts_of(settings: Settings, engines: Engines | None = None) -> AsyncIterator[Components]:
    """Open the components that the settings name, and close them after the block.

    ``engines`` replace those of the settings.

    Raises:
        BlobStoreConfigError: there are no credentials for the bucket.
        DataDirInUse: another service holds the lock of the data folder.
        DataDirError: the data folder can't be created or written.
        NoEngine: the engine order names none that is set up.
        ModelUnusable: the network that the settings name must not or can't be used.
        DatabaseUnavailable: the database can't be reached.

    """
    clock, metrics = SystemClock(), Metrics()
    if settings.needs_data_dir:
        make_data_dir(settings.data_dir)
        tighten_data_dir(settings.data_dir)
    async with AsyncExitStack() as stack:
        if settings.database_url is None:
            await stack.enter_async_context(data_dir_lock(settings.data_dir, settings.data_dir_wait))
        wake = await _open_wake(settings, stack)
        committed = LocalCommitBuffer(asyncio.get_running_loop(), COMMITTED_EVENTS)

        def on_commit(events: Sequence[TaskEvent]) -> None:
            committed.put(events)
            wake.notify(Topic.LOG)
            metrics.committed(events)

        engines = engines or Engines.from_settings(engine_settings(settings), metrics.model_called)
        waits = WaitPolicy(
            routing=Routing(order=engines.order, fallback_after=settings.engine_fallback_after),
            lost_leases=settings.max_lost_leases,
        )
        store = await open_store(settings, clock, on_commit, waits)
        stack.push_async_callback(store.close)
        # A folder that is missing while there are tasks was unmounted: it is not created again.
        new = (await store.latest_events(1)).head.position == 0
        images = Images(
            await asyncio.to_thread(open_blob_store, settings, create=new),
            store,
            inline_bytes=settings.inline_image_bytes,
        )
        worker = None
        if settings.worker_slots:
            worker = Worker(
                _worker_settings(settings),
                store=store,
                wake=wake,
                images=images,
                engines=engines,
                clock=clock,
                metrics=metrics,
                routing=waits.routing,
            )
        image_guard = ImageStoreGuard(store, images)
        readiness = ReadinessMonitor(
            store=store,
            blobs=images,
            refused=lambda: image_guard.problem,
            metrics=metrics,
            limits=ReadinessLimits(stalled=settings.stalled_after.total_seconds(), free_bytes=settings.min_free_bytes),
            folders=settings.folders,
            worker=None if worker is None else worker.owner,
            slots=settings.worker_slots,
            images_every=BUCKET_PROBE_SECONDS if settings.bucket else 0.0,
        )
        yield Components(
            clock=clock,
            metrics=metrics,
            wake=wake,
            store=store,
            committed=committed,
            blobs=images,
            engines=engines,
            routing=waits.routing,
            worker=worker,
            readiness=readiness,
            image_guard=image_guard,
            image_remover=ImageRemover(store, images, image_guard),
        )


def open_blob_store(settings: Settings, *, create: bool = True) -> BlobStore:
    """Return the image store that the settings name. May request a role's credentials over the network.

    ``create``: whether to create a missing folder; a bucket is never created.

    Raises:
        BlobStoreConfigError: there are no credentials.

    """
    if settings.bucket is None:
        return LocalBlobStore(settings.blobs_folder, create=create)
    # The S3 modules take a quarter of a second to import, and most machines have no bucket.
    from generator_service.blobs.s3 import S3BlobStore

    return S3BlobStore(settings.bucket)


async def _open_wake(settings: Settings, stack: AsyncExitStack) -> Notifier:
    local = LocalNotifier(asyncio.get_running_loop())
    # The drivers take time to import, and most machines need neither.
    if settings.redis_url is not None:
        from generator_service.notifier.redis import RedisTransport

        relayed = RelayNotifier(local, RedisTransport(settings.redis_url.get_secret_value()))
    elif settings.database_url is not None:
        from generator_service.notifier.postgres import PostgresTransport

        relayed = RelayNotifier(local, PostgresTransport(driver_url(settings.database_url.get_secret_value())))
    else:
        return local
    await stack.enter_async_context(relayed.connected())
    return relayed


async def open_store(
    settings: Settings, clock: Clock, on_commit: CommitListener, waits: WaitPolicy | None = None
) -> TaskStore:
    """Open the database that the settings name, and create or migrate its tables where needed.

    Raises:
        DatabaseUnavailable: the database is unavailable.

    """
    if settings.database_url is None:
        open_it = partial(open_sqlite, settings.database)
    else:
        open_it = partial(open_postgres, settings.database_url.get_secret_value())
    opening = partial(
        open_it,
        clock=clock,
        limits=Limits(
            pending_per_user=settings.pending_per_user,
            running_per_user=settings.running_per_user,
            stored_bytes_per_user=settings.stored_mib_per_user * 1024**2,
        ),
        retry=RetryPolicy(base=settings.retry_base, cap=settings.retry_cap),
        on_commit=on_commit,
        waits=waits,
    )
    # A caller that is cancelled must not release the data folder while tables are created or migrated.
    return await finish_in_thread(opening, lambda store: store.close())


def engine_settings(settings: Settings) -> EngineSettings:
    """Return the engine settings."""
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
    pool = PoolSettings(
        processes=settings.pool_processes,
        memory_bytes=settings.pool_memory_mib * 1024**2,
        job_timeout=settings.pool_job_timeout.total_seconds(),
    )
    return EngineSettings(
        order=settings.engine_order,
        pool=pool,
        gemini=gemini,
        neural=neural_settings(settings),
        installed=ModelFolder(settings.models_folder).installed(),
    )


def neural_settings(settings: Settings) -> NeuralSettings | None:
    """Return the network that the settings name, or else the preferred installed one."""
    folder = ModelFolder(settings.models_folder)
    name = settings.network
    if name is None and has_runtime():
        name = next((model.name for model in folder.installed()), None)
    if name is None:
        return None
    return NeuralSettings(
        model=name,
        weights=settings.network_weights or folder.file(name),
        allow_unverified=settings.neural_allow_unverified,
        processes=settings.neural_processes,
    )


def _worker_settings(settings: Settings) -> WorkerSettings:
    return WorkerSettings(
        owner=worker_name(),
        slots=settings.worker_slots,
        lease=settings.lease,
        heartbeat=settings.heartbeat,
        drain=settings.drain,
    )
