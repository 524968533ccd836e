"""The parts of one gateway process, and how they are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whitebg_process.certificates import Expiry
from ws_gateway.auth.api_key_cache import ApiKeyCache
from ws_gateway.auth.authenticator import Authenticator, Provider
from ws_gateway.auth.image_urls import ImageUrls
from ws_gateway.auth.jwks import KeySet
from ws_gateway.auth.jwt import Tokens
from ws_gateway.auth.oidc.config import OidcConfig
from ws_gateway.auth.oidc.flow import FlowCookies
from ws_gateway.auth.revocations import Revocations
from ws_gateway.clock import Clock
from ws_gateway.flags import FlagsFile
from ws_gateway.limits.connections.contract import ConnectionLimiter
from ws_gateway.limits.fair_slots import FairSlots
from ws_gateway.limits.rates.limits import RateLimits
from ws_gateway.protocol.close_codes import Close, CloseCode
from ws_gateway.protocol.messages import Encoder
from ws_gateway.settings import Settings
from ws_gateway.shared_state import SharedState, open_shared_state
from ws_gateway.telemetry import tracing
from ws_gateway.telemetry.metrics import Metrics
from ws_gateway.upstream.channel import Connection
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.event_buffer import EventRing
from ws_gateway.upstream.history import History
from ws_gateway.upstream.hub import Hub
from ws_gateway.upstream.operator import OperatorClient
from ws_gateway.websocket.open_connections import OpenConnections

if TYPE_CHECKING:
    from ws_gateway.auth.oidc.client import OidcClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What routes need, made once per process."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    flags: FlagsFile
    tokens: Tokens
    revocations: Revocations
    authority: Authenticator
    oidc: OidcClient | None
    """None where there is no sign-in at an issuer."""
    flow_cookies: FlowCookies
    limits: RateLimits
    places: ConnectionLimiter
    image_urls: ImageUrls
    service: ServiceClient
    operators: OperatorClient
    hub: Hub
    history: History
    connections: OpenConnections
    bodies: FairSlots
    """Bounds the uploads that are received at the same time, into temporary files."""
    uploads: FairSlots
    """Bounds the photos held in memory at the same time: those received whole, on their way to the service."""
    archives: FairSlots
    """Bounds the archives that are sent at the same time, each with one picture in memory."""


USERS_AT_ONCE = 4
"""Users that it takes to hold all slots for uploads."""
FIRST_CONTACT_S = 10.0
"""How long a start waits for the service, in seconds: long enough for one that starts at the same time. Without it, the
page and ``/readyz`` can be served, no more."""
REVOKED = Close(CloseCode.UNAUTHENTICATED, "the session was revoked; sign in again")


@asynccontextmanager
async def run_gateway(
    settings: Settings, clock: Clock, metrics: Metrics, leaving: asyncio.Event
) -> AsyncIterator[Gateway]:
    """Connect to the service, and to other gateways where there are some; keep watching both within the block.

    Tokens can be checked from the start of the block, unless the service is unavailable: a load balancer that sees the
    port open sends requests at once. Once ``leaving`` is set, the start waits for it no longer.
    """
    async with (
        open_shared_state(settings, clock, metrics) as shared,
        _run(settings, clock, metrics, shared) as gateway,
    ):
        await _first_contact(gateway.revocations, leaving)
        yield gateway


async def _first_contact(revocations: Revocations, leaving: asyncio.Event) -> None:
    waits = [asyncio.create_task(revocations.until_known(FIRST_CONTACT_S)), asyncio.create_task(leaving.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def _provider(settings: Settings, clock: Clock) -> Provider | None:
    if not settings.jwks_url:
        return None
    return Provider(
        keys=KeySet(settings.jwks_url, clock=clock),
        algorithms=settings.jwks_algorithms,
        issuer=settings.jwt_issuer,
        grants_admin=settings.jwks_admin,
    )


def _oidc_client(config: OidcConfig, clock: Clock) -> OidcClient:
    # The libraries of the sign-in take time to import, and most gateways have no issuer.
    from ws_gateway.auth.oidc.client import OidcClient

    return OidcClient(config, clock)


@asynccontextmanager
async def _run(settings: Settings, clock: Clock, metrics: Metrics, shared: SharedState) -> AsyncIterator[Gateway]:
    secret = settings.jwt_secret.get_secret_value()
    former = settings.former_secrets
    tokens = Tokens(secret=secret, audience=settings.jwt_audience, clock=clock, former=former)
    image_urls = ImageUrls(
        secret=secret, base_url=settings.public_url, ttl=settings.image_url_ttl, clock=clock, former=former
    )
    encoder = Encoder(image_urls.slot)
    revocations = Revocations(clock)
    ring = EventRing(settings.ring_events)
    connection = Connection(
        settings.grpc_target,
        tls=settings.tls,
        server_name=settings.grpc_server_name,
        interceptors=tracing.client_interceptors() if settings.tracing else (),
    )
    service = ServiceClient(connection=connection, tokens=tokens, clock=clock, call_timeout=settings.call_timeout)
    hub = Hub(service=service, ring=ring, encoder=encoder, revocations=revocations, clock=clock, metrics=metrics)
    connections = OpenConnections()
    authority = Authenticator(
        tokens=tokens,
        revocations=revocations,
        provider=_provider(settings, clock),
        api_keys=ApiKeyCache(service.exchange_api_key, clock),
    )
    revocations.listen(lambda: connections.close_where(authority.revoked, REVOKED))
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
            revocations=revocations,
            authority=authority,
            oidc=None if settings.oidc is None else _oidc_client(settings.oidc, clock),
            flow_cookies=FlowCookies(secret, former),
            limits=shared.limits,
            places=shared.places,
            image_urls=image_urls,
            service=service,
            operators=OperatorClient(connection=connection, tokens=tokens, call_timeout=settings.call_timeout),
            hub=hub,
            history=History(
                service=service,
                ring=ring,
                encoder=encoder,
                concurrency=settings.max_concurrent_reads,
                metrics=metrics,
            ),
            connections=connections,
            bodies=FairSlots(settings.max_receiving_uploads, max(1, settings.max_receiving_uploads // USERS_AT_ONCE)),
            uploads=FairSlots(
                settings.max_concurrent_uploads, max(1, settings.max_concurrent_uploads // USERS_AT_ONCE)
            ),
            archives=FairSlots(
                settings.max_concurrent_archives, max(1, settings.max_concurrent_archives // USERS_AT_ONCE)
            ),
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await service.close()
