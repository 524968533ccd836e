"""A worker process without an API, which claims tasks of the shared database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from generator_service.bootstrap import parts_of
from generator_service.engines.registry import Engines
from generator_service.ops.metrics_server import Probes, reasons_of, serve_metrics
from generator_service.settings import Settings
from generator_service.watch.tail import LogTail

logger = logging.getLogger(__name__)


class UnsuitableSettings(Exception):
    """The settings allow no worker process."""


@dataclass(slots=True)
class WorkerRunning:
    """A running worker."""

    background: Sequence[asyncio.Task[None]]
    """Long-running background tasks."""
    metrics_port: int | None
    """Port of ``/metrics``; None if it is not served."""


@asynccontextmanager
async def running_worker(settings: Settings, engines: Engines | None = None) -> AsyncIterator[WorkerRunning]:
    """Run a worker until the block is left, then drain: tasks still running after the drain time are released.

    Raises:
        UnsuitableSettings: the settings name no shared database, or no worker slot.
        PortInUse: the address for metrics can't be bound.
        Exception: all errors of `parts_of`.

    """
    if settings.database_url is None:
        raise UnsuitableSettings("WHITEBG_DATABASE_URL: a worker by itself needs a PostgreSQL database that it shares")
    if not settings.worker_slots:
        raise UnsuitableSettings("WHITEBG_WORKER_SLOTS: a worker needs at least one slot")
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(parts_of(settings, engines))
        worker = parts.worker
        assert worker is not None  # noqa: S101 (there are slots)
        await stack.enter_async_context(parts.engines)

        async def reset() -> None:
            """Do nothing: tasks cancelled in the meantime are noticed by the next heartbeat."""

        # This process reads the log only to detect lost leases.
        tail = LogTail(
            parts.store,
            parts.wake,
            listeners=[worker.notice, parts.readiness.on_events],
            on_gap=reset,
            committed=parts.committed,
        )
        await tail.start(prefill=0)
        at_work = asyncio.Event()
        probes = Probes(lambda: reasons_of(parts.readiness, at_work), asyncio.get_running_loop())
        metrics_port = await serve_metrics(settings, parts.metrics, stack, probes)
        working = asyncio.create_task(worker.run(), name="worker")
        following = asyncio.create_task(tail.run(), name="tail")
        observing = asyncio.create_task(parts.readiness.run(), name="readiness")
        logger.info("working", extra={"worker": worker.owner, "slots": settings.worker_slots})
        at_work.set()
        try:
            yield WorkerRunning([working, following, observing], metrics_port)
        finally:
            logger.info("draining")
            at_work.clear()
            worker.drain()
            await asyncio.gather(working, return_exceptions=True)
            following.cancel()
            observing.cancel()
            await asyncio.gather(following, observing, return_exceptions=True)
            logger.info("drained")
