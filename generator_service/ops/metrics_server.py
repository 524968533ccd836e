"""An HTTP port for monitoring: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from generator_service.domain.readiness import NotReady
from generator_service.domain.task import TaskState
from generator_service.ops.metrics import Metrics
from generator_service.ops.readiness import ReadinessMonitor
from generator_service.settings import Settings
from generator_service.store.views import QueueCounts
from generator_service.watch.feed import Feeds
from generator_service.watch.queue_positions import QueueView

logger = logging.getLogger(__name__)

COUNT_SECONDS = 5.0
"""Time limit of a scrape for the database to count the queue."""


ALIVE_SECONDS = 3.0
"""How long the event loop may take to answer a probe before it counts as stuck."""


class PortInUse(Exception):
    """The address can't be bound."""


class StateCollector(Collector):
    """Metrics read at every scrape from their sources: the queue, and the updates for this process's watchers.

    Scrapes run on separate threads; the queue is counted through the event loop.
    """

    def __init__(self, feeds: Feeds, view: QueueView, loop: asyncio.AbstractEventLoop) -> None:
        self._feeds = feeds
        self._view = view
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics; those of the queue are left out while the database can't count it."""
        feeds = self._feeds
        try:
            counts = asyncio.run_coroutine_threadsafe(feeds.store.counts(), self._loop).result(COUNT_SECONDS)
            waiting = asyncio.run_coroutine_threadsafe(self._oldest_waiting(), self._loop).result(COUNT_SECONDS)
        except Exception:
            logger.exception("the queue could not be counted for a scrape")
        else:
            yield self._tasks(counts)
            yield GaugeMetricFamily(
                "whitebg_queue_oldest_seconds",
                "Age of the oldest task that could run and does not.",
                value=waiting.total_seconds(),
            )
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

    async def _oldest_waiting(self) -> timedelta:
        return self._view.oldest_waiting()

    def _tasks(self, counts: QueueCounts) -> Metric:
        tasks = GaugeMetricFamily("whitebg_tasks", "Kept tasks, by state.", labels=["state"])
        for state in TaskState:
            tasks.add_metric([state.value], counts.by_state.get(state, 0))
        return tasks

    def describe(self) -> Iterable[Metric]:
        """Describe no metrics in advance, since that would query the database."""
        return ()


class Probes:
    """Health and readiness probes, handled before all other paths."""

    def __init__(self, reasons: Callable[[], Sequence[NotReady]], loop: asyncio.AbstractEventLoop) -> None:
        """``reasons`` is called in the event loop and returns why the process is not ready."""
        self._reasons = reasons
        self._loop = loop

    def before(self, others: WSGIApplication) -> WSGIApplication:
        """Return an application that answers ``/healthz`` and ``/readyz``, and delegates the rest to another one.

        ``/readyz?exclude=CODE`` ignores reasons of that code; the parameter may be repeated.
        """

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path not in {"/healthz", "/readyz"}:
                return others(environ, start_response)
            excluded = parse_qs(environ.get("QUERY_STRING", "")).get("exclude", [])
            status, body = self._state(ready=path == "/readyz", excluded=excluded)
            start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
            return [json.dumps(body).encode()]

        return answer

    def _state(self, *, ready: bool, excluded: Collection[str]) -> tuple[HTTPStatus, dict[str, Any]]:
        try:
            reasons = asyncio.run_coroutine_threadsafe(self._ask(), self._loop).result(ALIVE_SECONDS)
        except TimeoutError:
            reasons = (NotReady("stuck", f"the process did not answer within {ALIVE_SECONDS:g} s; restart it"),)
            return HTTPStatus.SERVICE_UNAVAILABLE, _refusal("stuck", reasons)
        reasons = [reason for reason in reasons if reason.code not in excluded]
        if ready and reasons:
            return HTTPStatus.SERVICE_UNAVAILABLE, _refusal("not_ready", reasons)
        return HTTPStatus.OK, {"status": "ready" if ready else "alive"}

    async def _ask(self) -> Sequence[NotReady]:
        return self._reasons()


def _refusal(status: str, reasons: Sequence[NotReady]) -> dict[str, Any]:
    return {"status": status, "reasons": [asdict(reason) for reason in reasons]}


def reasons_of(readiness: ReadinessMonitor, taking_work: asyncio.Event) -> Sequence[NotReady]:
    """Return why a process is not ready: it is starting or draining, or has a problem."""
    if not taking_work.is_set():
        return (NotReady("not_started", "the process is starting, or draining"),)
    return readiness.reasons


@asynccontextmanager
async def serving_metrics(host: str, port: int, metrics: Metrics, probes: Probes) -> AsyncIterator[int]:
    """Serve metrics and probes within the block; yield the port.

    Raises:
        OSError: the address can't be bound.

    """
    server, thread = start_http_server(port, host, metrics.registry)
    if (figures := server.get_app()) is not None:
        server.set_app(probes.before(figures))
    try:
        yield server.server_port
    finally:
        # Both wait for a scrape in progress, which may wait for the event loop.
        await asyncio.to_thread(server.shutdown)
        await asyncio.to_thread(server.server_close)
        await asyncio.to_thread(thread.join)


async def serve_metrics(settings: Settings, metrics: Metrics, stack: AsyncExitStack, probes: Probes) -> int | None:
    """Serve metrics and probes, if configured, until the stack unwinds; return the port.

    Raises:
        PortInUse: the address can't be bound.

    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return None
    try:
        return await stack.enter_async_context(serving_metrics(host, port, metrics, probes))
    except OSError as error:
        raise PortInUse(f"can't serve metrics on {host}:{port}: {error.strerror}") from error
