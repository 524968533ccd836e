"""``/metrics`` of the service: an HTTP port for Prometheus alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from prometheus_client import start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from generator_service.domain.clock import Clock
from generator_service.domain.task import TaskState
from generator_service.metrics import Metrics
from generator_service.settings import Settings
from generator_service.store.contract import QueueCounts
from generator_service.watch.feed import Feeds

logger = logging.getLogger(__name__)

COUNT_SECONDS = 5.0
"""How long a scrape waits for the database to count the queue."""


class PortInUse(Exception):
    """The address can't be listened on."""


class StateCollector(Collector):
    """Figures that are kept elsewhere, read at every scrape: the queue, and what this process tells its watchers.

    Scrapes come on threads of their own; the queue is counted through the event loop.
    """

    def __init__(self, feeds: Feeds, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._feeds = feeds
        self._clock = clock
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        """Yield all figures; those of the queue are left out while the database can't count it."""
        feeds = self._feeds
        try:
            counts = asyncio.run_coroutine_threadsafe(feeds.store.counts(), self._loop).result(COUNT_SECONDS)
        except Exception:
            logger.exception("the queue could not be counted for a scrape")
        else:
            yield from self._queue(counts)
        yield GaugeMetricFamily("whitebg_watchers", "Open WatchTasks streams.", value=len(feeds.watchers))
        yield GaugeMetricFamily("whitebg_ring_events", "Events kept in memory for replays.", value=len(feeds.ring))
        yield GaugeMetricFamily(
            "whitebg_tail_revision", "Revision up to which the watchers were told.", value=feeds.tail.revision
        )
        replays = CounterMetricFamily(
            "whitebg_replays", "Replays and snapshots, by where they were read.", labels=["source"]
        )
        replays.add_metric(["memory"], feeds.count.from_ring)
        replays.add_metric(["database"], feeds.count.from_database)
        yield replays

    def _queue(self, counts: QueueCounts) -> Iterable[Metric]:
        tasks = GaugeMetricFamily("whitebg_tasks", "Kept tasks, by state.", labels=["state"])
        for state in TaskState:
            tasks.add_metric([state.value], counts.by_state.get(state, 0))
        yield tasks
        oldest = counts.oldest_runnable
        age = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        yield GaugeMetricFamily(
            "whitebg_queue_oldest_seconds", "Age of the oldest task that could run and does not.", value=max(0.0, age)
        )

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: that would ask the database."""
        return ()


@asynccontextmanager
async def serving_metrics(host: str, port: int, metrics: Metrics) -> AsyncIterator[int]:
    """Serve the figures within the block; yield the port.

    Raises:
        OSError: the address can't be listened on.

    """
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield server.server_port
    finally:
        # Both wait for a scrape under way, and that one may wait for the event loop.
        await asyncio.to_thread(server.shutdown)
        await asyncio.to_thread(server.server_close)
        await asyncio.to_thread(thread.join)


async def serve_metrics(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> int | None:
    """Serve the figures, if the settings ask for it, until the stack unwinds; return the port.

    Raises:
        PortInUse: the address can't be listened on.

    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return None
    try:
        return await stack.enter_async_context(serving_metrics(host, port, metrics))
    except OSError as error:
        raise PortInUse(f"can't serve metrics on {host}:{port}: {error.strerror}") from error
