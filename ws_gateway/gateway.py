"""The parts of one gateway process, and how they are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ws_gateway import tracing
from ws_gateway.auth import Tokens
from ws_gateway.authority import Authority
from ws_gateway.clock import Clock
from ws_gateway.connection import Connection
from ws_gateway.flags import FlagsFile
from ws_gateway.history import History
from ws_gateway.hub import Hub
from ws_gateway.image_urls import ImageUrls
from ws_gateway.jwks import KeySet
from ws_gateway.messages import Encoder
from ws_gateway.metrics import Metrics
from ws_gateway.rate_limits import RateLimits
from ws_gateway.redis_server import Reach
from ws_gateway.revocations import Revocations
from ws_gateway.ring import EventRing
from ws_gateway.service import ServiceClient
from ws_gateway.settings import Settings
from ws_gateway.socket import Connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What routes need, made once per process."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    flags: FlagsFile
    tokens: Tokens
    revocations: Revocations
    authority: Authority
    limits: RateLimits
    image_urls: ImageUrls
    service: ServiceClient
    hub: Hub
    history: History
    connections: Connections
    uploads: asyncio.Semaphore
    """Bounds the photos held in memory at the same time."""


@asynccontextmanager
async def run_gateway(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[Gateway]:
    """Connect to the service and keep watching it within the block."""
    secret = settings.jwt_secret.get_secret_value()
    tokens = Tokens(secret=secret, audience=settings.jwt_audience, clock=clock)
    revocations = Revocations(clock=clock, keep=settings.revocation_keep)
    redis_url = None if settings.redis_url is None else settings.redis_url.get_secret_value()
    limits = RateLimits(
        redis_url,
        clock,
        Reach(metrics, "rates", without="nobody is limited"),
        connections=settings.connections_per_minute,
        status_polls=settings.status_polls_per_minute,
        uploads=settings.uploads_per_minute,
    )
    image_urls = ImageUrls(secret=secret, base_url=settings.public_url, ttl=settings.image_url_ttl, clock=clock)
    encoder = Encoder(image_urls.url)
    ring = EventRing(settings.ring_events)
    service = ServiceClient(
        connection=Connection(
            settings.grpc_target,
            tls=settings.tls,
            server_name=settings.grpc_server_name,
            interceptors=tracing.client_interceptors() if settings.tracing else (),
        ),
        tokens=tokens,
        clock=clock,
        call_timeout=settings.call_timeout,
    )
    hub = Hub(service=service, ring=ring, encoder=encoder, clock=clock, metrics=metrics)
    connections = Connections()
    metrics.watch(
        connections=lambda: len(connections),
        queue_bytes=connections.unsent,
        hub_connected=lambda: hub.connected,
        ring_events=lambda: hub.ring_events,
    )
    watching = asyncio.create_task(hub.run(), name="hub")
    try:
        yield Gateway(
            settings=settings,
            clock=clock,
            metrics=metrics,
            flags=FlagsFile(settings.flags_file),
            tokens=tokens,
            revocations=revocations,
            authority=Authority(
                tokens=tokens,
                revocations=revocations,
                keys=KeySet(settings.jwks_url, clock=clock) if settings.jwks_url else None,
                algorithms=settings.jwks_algorithms,
            ),
            limits=limits,
            image_urls=image_urls,
            service=service,
            hub=hub,
            history=History(
                service=service,
                ring=ring,
                encoder=encoder,
                concurrency=settings.max_concurrent_reads,
                metrics=metrics,
            ),
            connections=connections,
            uploads=asyncio.Semaphore(settings.max_concurrent_uploads),
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await service.close()
