"""What all gateways limit and remember together, through Redis; without one, each by itself in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ws_gateway.clock import Clock
from ws_gateway.metrics import Metrics
from ws_gateway.places.contract import Places
from ws_gateway.places.held import Held
from ws_gateway.places.local import LocalPlaces
from ws_gateway.places.redis import redis_places
from ws_gateway.rate_limits import RateLimits
from ws_gateway.redis_server import Reach, connect
from ws_gateway.revocations.contract import Revocations
from ws_gateway.revocations.ledger import Ledger
from ws_gateway.revocations.local import LocalRevocations
from ws_gateway.revocations.redis import redis_revocations
from ws_gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The parts that know of other gateways."""

    limits: RateLimits
    revocations: Revocations
    places: Places


@asynccontextmanager
async def shared_parts(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[Shared]:
    """Share with the others within the block, if the settings name a Redis."""
    ledger, held = Ledger(clock=clock, keep=settings.revocation_keep), Held(settings.connections_per_user)
    revocations: Revocations = LocalRevocations(ledger)
    places: Places = LocalPlaces(held)
    client = None
    async with AsyncExitStack() as stack:
        if settings.redis_url is not None:
            url = settings.redis_url.get_secret_value()
            client = await stack.enter_async_context(connect(url, tries=2))
            line = await stack.enter_async_context(connect(url, tries=1))
            reach = Reach(metrics, "revocations", without="what was known stays revoked, and nothing new is heard of")
            revocations = await stack.enter_async_context(redis_revocations(client, line, ledger, reach))
            if held.most:
                reach = Reach(metrics, "sockets", without="each gateway counts its own open sockets")
                opening = redis_places(client, held, reach, lease=settings.connection_lease)
                places = await stack.enter_async_context(opening)
        limits = RateLimits(
            client,
            clock,
            Reach(metrics, "rates", without="nobody is limited"),
            connections=settings.connections_per_minute,
            status_polls=settings.status_polls_per_minute,
            uploads=settings.uploads_per_minute,
        )
        yield Shared(limits=limits, revocations=revocations, places=places)
