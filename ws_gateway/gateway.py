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
from ws_gateway.codes import Close, CloseCode
from ws_gateway.connection import Connection
from ws_gateway.flags import FlagsFile
from ws_gateway.history import History
from ws_gateway.hub import Hub
from ws_gateway.image_urls import ImageUrls
from ws_gateway.jwks import KeySet
from ws_gateway.messages import Encoder
from ws_gateway.metrics import Metrics
from ws_gateway.places.contract import Places
from ws_gateway.rate_limits import RateLimits
from ws_gateway.revocations.contract import Revocations
from ws_gateway.ring import EventRing
from ws_gateway.service import ServiceClient
from ws_gateway.settings import Settings
from ws_gateway.shared import Shared, shared_parts
from ws_gateway.socket import Connections
from ws_gateway.tls import Expiry


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
    places: Places
    image_urls: ImageUrls
    service: ServiceClient
    hub: Hub
    history: History
    connections: Connections
    uploads: asyncio.Semaphore
    """Bounds the photos held in memory at the same time."""


REVOKED = Close(CloseCode.UNAUTHENTICATED, "the session was revoked; sign in again")


@asynccontextmanager
async def run_gateway(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[Gateway]:
    """Connect to the service, and to other gateways where there are some; keep watching both within the block."""
    async with shared_parts(settings, clock, metrics) as shared, _run(settings, clock, metrics, shared) as gateway:
        yield gateway


@asynccontextmanager
async def _run(settings: Settings, clock: Clock, metrics: Metrics, shared: Shared) -> AsyncIterator[Gateway]:
    secret = settings.jwt_secret.get_secret_value()
    tokens = Tokens(secret=secret, audience=settings.jwt_audience, clock=clock)
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
    authority = Authority(
        tokens=tokens,
        revocations=shared.revocations,
        keys=KeySet(settings.jwks_url, clock=clock) if settings.jwks_url else None,
        algorithms=settings.jwks_algorithms,
    )
    shared.revocations.listen(lambda: connections.close_where(authority.revoked, REVOKED))
    metrics.watch(
        connections=lambda: len(connections),
        queue_bytes=connections.unsent,
        hub_connected=lambda: hub.connected,
        ring_events=lambda: hub.ring_events,
    )
    if settings.tls is not None:
        expiry = Expiry(settings.tls)
        metrics.certificates(expiry, expiry.of)
    watching = asyncio.create_task(hub.run(), name="hub")
    try:
        yield Gateway(
            settings=settings,
            clock=clock,
            metrics=metrics,
            flags=FlagsFile(settings.flags_file),
            tokens=tokens,
            revocations=shared.revocations,
            authority=authority,
            limits=shared.limits,
            places=shared.places,
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
