"""What all gateways limit together, through Redis; without one, each by itself in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ws_gateway.clock import Clock
from ws_gateway.limits.connections.contract import ConnectionLimiter
from ws_gateway.limits.connections.held import Held
from ws_gateway.limits.connections.local import LocalConnectionLimiter
from ws_gateway.limits.rates.contract import Window
from ws_gateway.limits.rates.limits import RateLimits
from ws_gateway.limits.rates.local import LocalWindow
from ws_gateway.redis_health import RedisHealth
from ws_gateway.settings import Settings
from ws_gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """The parts that know of other gateways."""

    limits: RateLimits
    places: ConnectionLimiter


@asynccontextmanager
async def open_shared_state(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[SharedState]:
    """Share with the others within the block, if the settings name a Redis."""
    held = Held(settings.connections_per_user)
    places: ConnectionLimiter = LocalConnectionLimiter(held)
    window: Window = LocalWindow(clock)
    async with AsyncExitStack() as stack:
        if settings.redis_url is not None:
            # A single gateway needs no Redis, whose client takes a tenth of the start to import.
            from ws_gateway.limits.connections.redis import redis_connection_limiter
            from ws_gateway.limits.rates.redis import RedisWindow
            from ws_gateway.redis_client import connect

            client = await stack.enter_async_context(connect(settings.redis_url.get_secret_value()))
            window = RedisWindow(client)
            if held.most:
                reach = RedisHealth(metrics, "sockets", without="each gateway counts its own open sockets")
                opening = redis_connection_limiter(client, held, reach, lease=settings.connection_lease)
                places = await stack.enter_async_context(opening)
        limits = RateLimits(
            window,
            RedisHealth(metrics, "rates", without="no limit applies"),
            connections=settings.connections_per_minute,
            connections_per_address=settings.connections_per_address,
            failed_handshakes=settings.failed_handshakes_per_minute,
            sign_ins=settings.sign_ins_per_minute,
            status_polls=settings.status_polls_per_minute,
            uploads=settings.uploads_per_minute,
        )
        yield SharedState(limits=limits, places=places)
