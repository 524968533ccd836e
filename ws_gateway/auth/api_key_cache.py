"""API keys of services: checked by the generator service, and held for a short time."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ws_gateway.auth.jwt import Claims, TokenRejected
from ws_gateway.clock import Clock

PREFIX = "wbk_"
HELD_FOR = timedelta(seconds=30)
"""How long the result of a check is used again, but not longer than the key lives. A revocation counts at once: it
arrives by the stream of events."""
MAX_HELD = 10_000
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """The holder of an API key, as the service identifies it."""

    user_id: str
    scopes: frozenset[str]
    session_id: str
    expires_at: datetime | None
    problem: str = ""
    """Why the key is not valid; empty if it is."""


Exchange = Callable[[str], Awaitable[KeyHolder]]


class ApiKeyCache:
    """Turns API keys into claims. Only hashes of keys are held."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        """``exchange`` asks the service; its errors are passed on."""
        self._exchange = exchange
        self._clock = clock
        self._held: dict[bytes, tuple[float, Claims]] = {}
        """By the key's hash: until when, by the monotonic clock, and the claims; the oldest first."""

    async def verify(self, key: str) -> Claims:
        """Check an API key.

        Raises:
            TokenRejected: the key is not valid.

        """
        if len(key) > MAX_LENGTH:
            raise TokenRejected("the API key is not known; check that it was copied completely")
        name, now = hashlib.sha256(key.encode()).digest(), self._clock.monotonic()
        held = self._held.get(name)
        if held is not None and now < held[0]:
            return held[1]
        holder = await self._exchange(key)
        if holder.problem:
            self._held.pop(name, None)
            raise TokenRejected(holder.problem)
        wall = self._clock.now()
        claims = Claims(
            subject=holder.user_id,
            expires_at=holder.expires_at or wall + timedelta(days=1),
            scopes=holder.scopes,
            session_id=holder.session_id,
            issued_at=wall,
            ends_session=True,
        )
        self._held.pop(name, None)
        while len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[name] = now + min(HELD_FOR, claims.expires_at - wall).total_seconds(), claims
        return claims
