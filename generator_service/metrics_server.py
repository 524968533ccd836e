"""An HTTP port for who looks after the process: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

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


ALIVE_SECONDS = 3.0
"""How long the event loop may take to answer a probe before it counts as stuck."""


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


class Probes:
    """What is answered to who asks how the process does, before everything else that is served."""

    def __init__(self, ready: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
        """``ready`` says, in the event loop, whether work may be sent here."""
        self._ready = ready
        self._loop = loop

    def before(self, others: WSGIApplication) -> WSGIApplication:
        """Return an application that answers ``/healthz`` and ``/readyz``, and leaves the rest to another one."""

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path not in {"/healthz", "/readyz"}:
                return others(environ, start_response)
            status, body = self._state(probe=path)
            start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{body}\n".encode()]

        return answer

    def _state(self, *, probe: str) -> tuple[HTTPStatus, str]:
        try:
            ready = asyncio.run_coroutine_threadsafe(self._ask(), self._loop).result(ALIVE_SECONDS)
        except TimeoutError:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"stuck: no answer within {ALIVE_SECONDS:g} s"
        if probe == "/readyz" and not ready:
            return HTTPStatus.SERVICE_UNAVAILABLE, "not ready: starting, or draining"
        return HTTPStatus.OK, "ready" if probe == "/readyz" else "alive"

    async def _ask(self) -> bool:
        return self._ready()


@asynccontextmanager
async def serving_metrics(host: str, port: int, metrics: Metrics, probes: Probes) -> AsyncIterator[int]:
    """Serve the figures and the probes within the block; yield the port.

    Raises:
        OSError: the address can't be listened on.

    """
    server, thread = start_http_server(port, host, metrics.registry)
    if (figures := server.get_app()) is not None:
        server.set_app(probes.before(figures))
    try:
        yield server.server_port
    finally:
        # Both wait for a scrape under way, and that one may wait for the event loop.
        await asyncio.to_thread(server.shutdown)
        await asyncio.to_thread(server.server_close)
        await asyncio.to_thread(thread.join)


async def serve_metrics(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack, ready: Callable[[], bool]
) -> int | None:
    """Serve the figures and the probes, if the settings ask for it, until the stack unwinds; return the port.

    Raises:
        PortInUse: the address can't be listened on.

    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return None
    probes = Probes(ready, asyncio.get_running_loop())
    try:
        return await stack.enter_async_context(serving_metrics(host, port, metrics, probes))
    except OSError as error:
        raise PortInUse(f"can't serve metrics on {host}:{port}: {error.strerror}") from error
