"""A process that only works: it claims tasks of the shared database and serves nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from generator_service.engines.registry import Engines
from generator_service.metrics_server import serve_metrics
from generator_service.parts import parts_of
from generator_service.settings import Settings
from generator_service.watch.tail import LogTail

logger = logging.getLogger(__name__)


class UnsuitableSettings(Exception):
    """No worker can work by these settings."""


@dataclass(slots=True)
class WorkerRunning:
    """A worker that works."""

    background: Sequence[asyncio.Task[None]]
    """What goes on all the time; none of it ends by itself."""
    metrics_port: int | None
    """Where ``/metrics`` is served; None if it is not."""


@asynccontextmanager
async def running_worker(settings: Settings, engines: Engines | None = None) -> AsyncIterator[WorkerRunning]:
    """Work until the block is left; then drain: running tasks get the drain time, and are given back after it.

    Raises:
        UnsuitableSettings: the settings name no database to share, or no slot to work in.
        PortInUse: the address for metrics can't be listened on.
        Exception: what `parts_of` raises.

    """
    if settings.database_url is None:
        raise UnsuitableSettings("WHITEBG_DATABASE_URL: a worker by itself needs a PostgreSQL database that it shares")
    if not settings.worker_slots:
        raise UnsuitableSettings("WHITEBG_WORKER_SLOTS: a worker needs at least one slot")
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(parts_of(settings, engines))
        worker = parts.worker
        assert worker is not None  # noqa: S101 (there are slots)

        async def start_over() -> None:
            """Do nothing: what was cancelled meanwhile is noticed by the next heartbeat."""

        # Here the log tells of one thing only: that a task of ours is not ours any more.
        tail = LogTail(parts.store, parts.wake, listeners=[worker.notice], on_gap=start_over, committed=parts.committed)
        await tail.start(prefill=0)
        at_work = asyncio.Event()
        metrics_port = await serve_metrics(settings, parts.metrics, stack, at_work.is_set)
        working = asyncio.create_task(worker.run(), name="worker")
        following = asyncio.create_task(tail.run(), name="tail")
        logger.info("working", extra={"worker": worker.owner, "slots": settings.worker_slots})
        at_work.set()
        try:
            yield WorkerRunning([working, following], metrics_port)
        finally:
            logger.info("draining")
            at_work.clear()
            worker.drain()
            await asyncio.gather(working, return_exceptions=True)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            logger.info("drained")
