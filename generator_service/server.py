"""Puts the service together, runs it, and takes it down in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from generator_service import tracing
from generator_service.auth import Authenticator
from generator_service.interceptors import CallInterceptor
from generator_service.maintenance import EventCompactor, LeaseReaper, OrphanSweeper, TaskReaper, every
from generator_service.metrics import Metrics
from generator_service.metrics_server import PortInUse, StateCollector, serve_metrics
from generator_service.parts import Parts, parts_of
from generator_service.reflection import enable_reflection
from generator_service.servicer import Servicer
from generator_service.settings import Settings
from generator_service.store.contract import Retention
from generator_service.submission import Submissions
from generator_service.tls import Expiry, server_credentials
from generator_service.watch.feed import Feeds
from generator_service.watch.queue_news import tell_queue_news
from generator_service.watch.queue_view import QueueView
from generator_service.watch.ring import EventRing
from generator_service.watch.status_log import StatusLog
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import Watchers
from protos.whitebg.v1 import generator_service_pb2, generator_service_pb2_grpc

logger = logging.getLogger(__name__)

SERVICE_NAME = generator_service_pb2.DESCRIPTOR.services_by_name["GeneratorService"].full_name
MAX_MESSAGE_BYTES = 26 * 1024 * 1024
"""A photo of 25 MiB and what goes with it."""

REAP_LEASES_EVERY = timedelta(seconds=2)
COMPACT_EVERY = timedelta(minutes=10)
REAP_TASKS_EVERY = timedelta(hours=1)
SWEEP_EVERY = timedelta(hours=1)

STOP_GRACE_SECONDS = 2.0

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A storm of thousands of streams must wait, not be cancelled.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)


@dataclass(slots=True)
class Running:
    """A service that runs, and the port it listens on."""

    port: int
    parts: Parts
    feeds: Feeds
    server: aio.Server
    health: health.aio.HealthServicer
    background: Sequence[asyncio.Task[None]]
    """What goes on all the time; none of it ends by itself."""
    metrics_port: int | None = None
    """Where ``/metrics`` is served; None if it is not."""


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Running]:
    """Run the whole service, until the block is left; then drain it.

    Draining: health says NOT_SERVING, no task is claimed, running tasks and calls get the drain time, open
    watches end with UNAVAILABLE, and tasks that are still running are given back to the queue.

    Raises:
        BlobsUnusable: there are no credentials for the bucket of images.
        CertificateUnusable: a file of the port's certificates can't be used.
        DataDirInUse: another service holds the data folder.
        DataDirUnusable: the data folder can't be made or written.
        NoEngine: the engine order names none that is set up.
        PortInUse: the address can't be listened on.
        RembgUnusable: rembg is set up with a model that may not or can't be used.
        StoreAway: the database can't be reached.

    """
    credentials = server_credentials(settings.tls) if settings.tls else None
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(parts_of(settings))
        clock, metrics, wake, store, worker = parts.clock, parts.metrics, parts.wake, parts.store, parts.worker

        view = QueueView(clock, slots=max(1, settings.worker_slots))
        ring = EventRing(settings.ring_events)
        watchers = Watchers(settings.watcher_queue)
        listeners = [ring.extend, view.fold, watchers.push] + ([worker.notice] if worker else [])

        async def start_over() -> None:
            ring.clear()
            watchers.cut_off_all()
            view.load((await store.unfinished()).tasks)

        tail = LogTail(store, wake, listeners=listeners, on_gap=start_over, committed=parts.committed)
        await tail.start(prefill=settings.ring_events)
        # The past has been logged and counted by whoever was there.
        tail.join(StatusLog(view.known, asyncio.get_running_loop().call_soon).tell)
        tail.join(lambda events: metrics.told(events, clock.now()))
        view.load((await store.unfinished()).tasks)
        wake.on_progress(view.take_progress)
        wake.on_progress(watchers.push_progress)

        feeds = Feeds(store, tail, ring, watchers, view.present)
        servicer = Servicer(
            store=store,
            feeds=feeds,
            view=view,
            blobs=parts.blobs,
            submissions=Submissions(
                store=store,
                blobs=parts.blobs,
                engines=parts.engines,
                default_timeout=settings.task_timeout,
                max_attempts=settings.max_attempts,
            ),
            clock=clock,
            started_at=clock.now(),
        )
        retention = Retention(events_for=settings.events_for, events_per_user=settings.events_per_user)
        chores = {
            "tail": tail.run(),
            "queue-news": tell_queue_news(wake, view, watchers),
            "lease-reaper": every(REAP_LEASES_EVERY, LeaseReaper(store)),
            "event-compactor": every(COMPACT_EVERY, EventCompactor(store, retention)),
            "task-reaper": every(REAP_TASKS_EVERY, TaskReaper(store, parts.blobs, clock, settings.tasks_for)),
            "orphan-sweeper": every(SWEEP_EVERY, OrphanSweeper(store, parts.blobs, clock)),
        }
        background = [asyncio.create_task(chore, name=name) for name, chore in chores.items()]
        stack.push_async_callback(_cancel, background)
        working = [asyncio.create_task(worker.run(), name="worker")] if worker else []
        server, healthy = _server(settings, servicer, metrics)
        taking_calls = asyncio.Event()
        try:
            if settings.tls:
                expiry = Expiry(settings.tls)
                metrics.certificates(expiry, expiry.of)
            metrics.registry.register(StateCollector(feeds, clock, asyncio.get_running_loop()))
            metrics_port = await serve_metrics(settings, metrics, stack, taking_calls.is_set)
            port = await _listen(settings, server, healthy, credentials)
            taking_calls.set()
            yield Running(port, parts, feeds, server, healthy, [*background, *working], metrics_port)
        finally:
            logger.info("draining")
            taking_calls.clear()
            await healthy.enter_graceful_shutdown()
            if worker is not None:
                worker.drain()
            # Watches would never end by themselves; all other calls are short.
            await asyncio.gather(server.stop(STOP_GRACE_SECONDS), *working, return_exceptions=True)
            logger.info("drained")


def _server(settings: Settings, servicer: Servicer, metrics: Metrics) -> tuple[aio.Server, health.aio.HealthServicer]:
    secret = settings.jwt_secret.get_secret_value()
    interceptors: list[aio.ServerInterceptor] = [tracing.server_interceptor()] if settings.tracing else []
    interceptors.append(CallInterceptor(Authenticator(secret, settings.jwt_audience), metrics))
    server = aio.server(interceptors=interceptors, options=SERVER_OPTIONS)
    generator_service_pb2_grpc.add_GeneratorServiceServicer_to_server(servicer, server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    enable_reflection((SERVICE_NAME, health.SERVICE_NAME), server)
    return server, healthy


async def _listen(
    settings: Settings,
    server: aio.Server,
    healthy: health.aio.HealthServicer,
    credentials: grpc.ServerCredentials | None,
) -> int:
    address = f"{settings.grpc_host}:{settings.grpc_port}"
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise PortInUse(f"can't listen on {address}: is another service running there?") from error
    await server.start()
    for name in ("", SERVICE_NAME):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    logger.info("serving", extra={"address": f"{settings.grpc_host}:{port}", "data_dir": str(settings.data_dir)})
    return port


async def _cancel(background: Sequence[asyncio.Task[None]]) -> None:
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
