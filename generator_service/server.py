"""Starts the service, runs it, and shuts it down in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc

from generator_service.batching import Batches
from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.bootstrap import Components, parts_of
from generator_service.deletion import Deletions
from generator_service.domain.clock import Clock
from generator_service.domain.revocation import RevocationList
from generator_service.engines.inspector import Inspector
from generator_service.engines.registry import Engines
from generator_service.image_store import ImageStoreGuard
from generator_service.ops import tracing
from generator_service.ops.disk_space import DiskGuard
from generator_service.ops.metrics import Metrics
from generator_service.ops.metrics_server import PortInUse, Probes, StateCollector, reasons_of, serve_metrics
from generator_service.rpc.admin.servicer import AdminServicer
from generator_service.rpc.admin.webhooks import WebhookAdmin
from generator_service.rpc.auth import Authenticator
from generator_service.rpc.health_servicer import HealthServicer
from generator_service.rpc.interceptors import CallInterceptor, Limits
from generator_service.rpc.receiving import MAX_MESSAGE_BYTES
from generator_service.rpc.reflection import enable_reflection
from generator_service.rpc.servicer import Servicer
from generator_service.settings import Settings, worker_name
from generator_service.store.contract import Retention
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.submission import Submissions
from generator_service.tls import server_credentials
from generator_service.watch.api_key_checks import ApiKeyChecker
from generator_service.watch.feed import Feeds
from generator_service.watch.operations import OperationsWatch
from generator_service.watch.position_publisher import publish_queue_positions
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.revocations import RevocationTail
from generator_service.watch.ring import EventRing
from generator_service.watch.status_log import StatusLog
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import Watchers
from generator_service.webhooks.deliverer import Deliverer
from generator_service.webhooks.sender import Sender
from generator_service.worker.maintenance import (
    BatchSettler,
    BreakerReader,
    DeadlineEnforcer,
    EventCompactor,
    IdleBatchCloser,
    LeaseReaper,
    PriorityAger,
    RevocationReaper,
    SessionExpirer,
    TaskReaper,
    UsageReaper,
    UserLimitReader,
    every,
)
from generator_service.worker.orphans import OrphanSweeper
from whitebg.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    generator_service_pb2,
    generator_service_pb2_grpc,
)
from whitebg_process.certificates import Expiry
from whitebg_process.settings import in_effect

logger = logging.getLogger(__name__)

SERVICE_NAME = generator_service_pb2.DESCRIPTOR.services_by_name["GeneratorService"].full_name
ADMIN_SERVICE_NAME = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
REAP_LEASES_EVERY = timedelta(seconds=2)
READ_BREAKERS_EVERY = timedelta(seconds=1)
EXPIRE_SESSIONS_EVERY = timedelta(seconds=1)
END_OVERDUE_EVERY = timedelta(seconds=10)
SETTLE_BATCHES_EVERY = timedelta(minutes=1)
CLOSE_BATCHES_EVERY = timedelta(seconds=10)
AGE_PRIORITIES_EVERY = timedelta(seconds=10)
COMPACT_EVERY = timedelta(minutes=10)
REAP_TASKS_EVERY = timedelta(hours=1)
SWEEP_EVERY = timedelta(hours=1)
REMOVE_IMAGES_EVERY = timedelta(seconds=10)
CHECK_IMAGE_STORE_EVERY = timedelta(seconds=30)
IMAGE_STORE_SECONDS = 5.0
"""How long the start waits for the image store."""

WATCH_GRACE_SECONDS = 2.0
"""How long watches continue after a stop was requested: calls that end by then are seen by their watchers."""

MAX_CALLS = 20_000
"""Limit of concurrent calls, including watches, of which there may be thousands."""

PREFILL_EVENTS = 1_000
"""Events that a start reads into memory, each at 60 µs: clients that were connected before the stop need the latest."""

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Thousands of streams opened together must wait, not be cancelled.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    # A window that grows with the measured bandwidth buffers up to a whole photo per unread request.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)


@dataclass(slots=True)
class Running:
    """A running service and its port."""

    port: int
    parts: Components
    feeds: Feeds
    server: aio.Server
    health: HealthServicer
    background: Sequence[asyncio.Task[None]]
    """Long-running background tasks."""
    metrics_port: int | None = None
    """Port of ``/metrics``; None if it is not served."""


@asynccontextmanager
async def running_service(
    settings: Settings, inspector: Inspector | None = None, engines: Engines | None = None
) -> AsyncIterator[Running]:
    """Run the service until the block is left, then drain it.

    Draining: health reports NOT_SERVING, no task is claimed, running tasks and calls get the drain time, open
    watches end with UNAVAILABLE, and tasks that are still running return to the queue.

    ``inspector`` replaces the default one, ``engines`` those of the settings.

    Raises:
        BlobStoreConfigError: there are no credentials for the bucket of images.
        CertificateError: a file of the port's certificates can't be used.
        DatabaseUnusable: the SQLite file is damaged, or can't be written.
        DataDirInUse: another service holds the lock of the data folder.
        DataDirError: the data folder can't be created or written.
        MissingSetting: the secret for verifying tokens is not set.
        NoEngine: the engine order names none that is set up.
        PortInUse: the address can't be bound.
        ModelUnusable: the network that the settings name must not or can't be used.
        DatabaseUnavailable: the database can't be reached.

    """
    secret = settings.token_secret
    credentials = server_credentials(settings.tls) if settings.tls else None
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(parts_of(settings, engines))
        inspector = inspector or Inspector()
        await _enter_together(stack, inspector, *([parts.engines] if parts.worker else []))
        clock, metrics, wake, store, worker = parts.clock, parts.metrics, parts.wake, parts.store, parts.worker

        view = QueueView(
            clock,
            settings.worker_slots,
            running_per_user=settings.running_per_user,
            queue_time=store.queue_time,
            routing=parts.routing,
        )
        ring = EventRing(settings.ring_events)
        watchers = Watchers(settings.watcher_queue)
        tail = await _start_tail(settings, parts, view, ring, watchers)
        await _bind_image_store(parts.image_guard)
        revocations = RevocationTail(store, wake, watchers)
        await revocations.catch_up()

        submissions = Submissions(
            store=store,
            images=parts.blobs,
            engines=parts.engines,
            inspector=inspector,
            disk=DiskGuard(folders=settings.folders, min_free=settings.min_free_bytes),
            default_timeout=settings.task_timeout,
            max_attempts=settings.max_attempts,
            deadline=settings.task_deadline,
        )
        deletions = Deletions(store=store, remover=parts.image_remover)
        keys = ApiKeyChecker(store, clock, end_watches=watchers.end_revoked)
        await keys.load()
        deliverer = _deliverer(settings, parts, stack)
        admin = AdminServicer(
            store=store,
            view=view,
            submissions=submissions,
            wake=wake,
            keys=keys,
            revocations=revocations,
            clock=clock,
            deletions=deletions,
            webhooks=WebhookAdmin(
                store=store,
                clock=clock,
                allow_http=settings.webhook_allow_http,
                allowed=settings.webhook_allowed_networks,
            ),
            settings=in_effect(settings),
        )
        feeds = Feeds(store, tail, ring, watchers, view.present)
        servicer = Servicer(
            engines=parts.engines.describe(),
            store=store,
            feeds=feeds,
            view=view,
            blobs=parts.blobs,
            batches=Batches(store=store),
            submissions=submissions,
            deletions=deletions,
            revocations=revocations,
            clock=clock,
            started_at=clock.now(),
            readiness=parts.readiness,
        )
        operations = OperationsWatch(store.admin, watchers)
        chores = {
            "tail": tail.run(),
            "revocations": revocations.run(),
            "readiness": parts.readiness.run(),
            "queue-positions": publish_queue_positions(wake, view, watchers),
            "webhooks": deliverer.run(),
            "api-keys": every(READ_BREAKERS_EVERY, keys),
            "expired-sessions": every(EXPIRE_SESSIONS_EVERY, SessionExpirer(watchers, clock)),
            "user-limits": every(READ_BREAKERS_EVERY, UserLimitReader(store, view.take_user_limits)),
            "breakers": every(
                READ_BREAKERS_EVERY,
                BreakerReader(store, view.take_breakers, metrics.breakers, operations.take_breakers),
            ),
            "operations": every(READ_BREAKERS_EVERY, operations),
            **_maintenance(settings, parts, revocations.revoked),
        }
        background = [asyncio.create_task(chore, name=name) for name, chore in chores.items()]
        stack.push_async_callback(_cancel, background)
        working = [asyncio.create_task(worker.run(), name="worker")] if worker else []
        server, healthy = _server(settings, secret, servicer, admin, metrics, clock)
        taking_calls = asyncio.Event()
        try:
            if settings.tls:
                expiry = Expiry(settings.tls)
                metrics.certificates(expiry, expiry.of)
            metrics.registry.register(StateCollector(feeds, view, asyncio.get_running_loop()))
            probes = Probes(lambda: reasons_of(parts.readiness, taking_calls), asyncio.get_running_loop())
            metrics_port = await serve_metrics(settings, metrics, stack, probes)
            port = await _listen(settings, server, credentials)
            parts.readiness.on_change(lambda: healthy.publish(serving=not parts.readiness.reasons))
            taking_calls.set()
            yield Running(port, parts, feeds, server, healthy, [*background, *working], metrics_port)
        finally:
            logger.info("draining")
            taking_calls.clear()
            healthy.stop()
            if worker is not None:
                worker.drain()
            await asyncio.gather(_stop(server, watchers, healthy, settings), *working, return_exceptions=True)
            logger.info("drained")


async def _enter_together(stack: AsyncExitStack, *managers: AbstractAsyncContextManager[object]) -> None:
    """Enter all at the same time: each waits for processes of its own. If one fails, the others are left again."""
    try:
        async with asyncio.TaskGroup() as entering:
            for manager in managers:
                entering.create_task(stack.enter_async_context(manager))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _stop(server: aio.Server, watchers: Watchers, healthy: HealthServicer, settings: Settings) -> None:
    """Take no more calls, and let those under way end; watches don't end on their own."""
    stopping = asyncio.create_task(server.stop(settings.drain.total_seconds()))
    await asyncio.wait({stopping}, timeout=WATCH_GRACE_SECONDS)
    watchers.close()
    healthy.close()
    await stopping


def _deliverer(settings: Settings, parts: Components, stack: AsyncExitStack) -> Deliverer:
    """Return what delivers webhooks; its connections are closed with the stack."""
    sender = Sender(allowed=settings.webhook_allowed_networks, allow_http=settings.webhook_allow_http)
    stack.push_async_callback(sender.close)
    return Deliverer(
        parts.store,
        sender,
        parts.wake,
        parts.clock,
        owner=worker_name(),
        lease_for=settings.lease,
        heartbeat=settings.heartbeat,
    )


async def _start_tail(
    settings: Settings, parts: Components, view: QueueView, ring: EventRing, watchers: Watchers
) -> LogTail:
    """Follow the log from its end, and update ring, view and watchers from it."""
    store, wake, metrics, worker = parts.store, parts.wake, parts.metrics, parts.worker

    async def reset() -> None:
        ring.clear()
        watchers.resync_all()
        view.load(await store.unfinished())

    listeners = [ring.extend, view.fold, watchers.push, parts.readiness.on_events]
    listeners += [worker.notice] if worker else []
    tail = LogTail(store, wake, listeners=listeners, on_gap=reset, committed=parts.committed)
    await tail.start(prefill=min(PREFILL_EVENTS, settings.ring_events))
    # Earlier events were logged and counted by the processes that published them.
    tail.join(StatusLog(view.known, asyncio.get_running_loop().call_soon).tell)
    tail.join(lambda events: metrics.told(events, parts.clock.now()))
    view.load(await store.unfinished())
    wake.on_progress(view.take_progress)
    wake.on_progress(watchers.push_progress)
    return tail


async def _bind_image_store(guard: ImageStoreGuard) -> None:
    """Bind an unused image store before the first photo can arrive; one that is unavailable is checked again later."""
    try:
        async with asyncio.timeout(IMAGE_STORE_SECONDS):
            await guard.verified()
    except (BlobStoreUnavailable, DatabaseUnavailable, TimeoutError) as error:
        logger.warning("image store not checked yet: %r", error)


def _maintenance(
    settings: Settings, parts: Components, revoked: RevocationList
) -> dict[str, Coroutine[Any, Any, None]]:
    """Return the periodic tasks by name."""
    store, blobs, clock = parts.store, parts.blobs, parts.clock
    guard, remover = parts.image_guard, parts.image_remover
    retention = Retention(
        events_for=settings.events_for, events_per_user=settings.events_per_user, tasks_for=settings.tasks_for
    )
    sweeper = OrphanSweeper(store, blobs, clock, guard, parts.metrics.orphans_deleted)
    return {
        "lease-reaper": every(
            REAP_LEASES_EVERY, LeaseReaper(store, clock, parts.worker, grace=settings.heartbeat + REAP_LEASES_EVERY)
        ),
        "priority-ager": every(AGE_PRIORITIES_EVERY, PriorityAger(store, settings.priority_ageing)),
        "deadlines": every(END_OVERDUE_EVERY, DeadlineEnforcer(store)),
        "batches": every(SETTLE_BATCHES_EVERY, BatchSettler(store)),
        "idle-batches": every(CLOSE_BATCHES_EVERY, IdleBatchCloser(store, settings.batch_idle)),
        "event-compactor": every(COMPACT_EVERY, EventCompactor(store, retention)),
        "image-store-check": every(CHECK_IMAGE_STORE_EVERY, guard),
        "image-remover": every(REMOVE_IMAGES_EVERY, remover),
        "task-reaper": every(REAP_TASKS_EVERY, TaskReaper(store, remover, clock, settings.tasks_for, guard)),
        "orphan-sweeper": every(SWEEP_EVERY, sweeper),
        "usage-reaper": every(REAP_TASKS_EVERY, UsageReaper(store, clock, settings.usage_for)),
        "revocation-reaper": every(REAP_TASKS_EVERY, RevocationReaper(store, revoked, clock)),
    }


def _server(
    settings: Settings, secret: str, servicer: Servicer, admin: AdminServicer, metrics: Metrics, clock: Clock
) -> tuple[aio.Server, HealthServicer]:
    authenticator = Authenticator(
        secret,
        settings.jwt_audience,
        clock,
        revoked=servicer.revocations.revoked.covers,
        check_key=admin.keys.check,
        former=settings.former_secrets,
    )
    interceptors: list[aio.ServerInterceptor] = [tracing.server_interceptor()] if settings.tracing else []
    limits = Limits(upload_bytes=settings.upload_memory_mib * 1024**2)
    interceptors.append(CallInterceptor(authenticator, metrics, limits))
    options = (
        *SERVER_OPTIONS,
        ("grpc.max_connection_age_ms", settings.grpc_connection_age // timedelta(milliseconds=1)),
        ("grpc.max_connection_age_grace_ms", settings.grpc_connection_grace // timedelta(milliseconds=1)),
        ("grpc.max_connection_idle_ms", settings.grpc_connection_idle // timedelta(milliseconds=1)),
    )
    server = aio.server(interceptors=interceptors, options=options, maximum_concurrent_rpcs=MAX_CALLS)
    generator_service_pb2_grpc.add_GeneratorServiceServicer_to_server(servicer, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    healthy = HealthServicer(("", SERVICE_NAME))
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    enable_reflection((SERVICE_NAME, ADMIN_SERVICE_NAME, health.SERVICE_NAME), server)
    return server, healthy


async def _listen(
    settings: Settings,
    server: aio.Server,
    credentials: grpc.ServerCredentials | None,
) -> int:
    host = f"[{settings.grpc_host}]" if ":" in settings.grpc_host else settings.grpc_host
    address = f"{host}:{settings.grpc_port}"
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise PortInUse(
            f"can't listen on {address}: stop what listens there, or set WHITEBG_GRPC_HOST and WHITEBG_GRPC_PORT"
        ) from error
    await server.start()
    logger.info("serving", extra={"address": f"{host}:{port}", "data_dir": str(settings.data_dir)})
    return port


async def _cancel(background: Sequence[asyncio.Task[None]]) -> None:
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
