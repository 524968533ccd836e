"""API keys held by the gateway: a result is used again for a while, and never after the key has expired."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.clock import NOON, SettableClock
from ws_gateway.auth.api_key_cache import HELD_FOR, ApiKeyCache, KeyHolder
from ws_gateway.auth.jwt import TokenRejected

SECOND = timedelta(seconds=1)


class Service:
    """Knows one key, which may expire, and counts how often it is asked."""

    def __init__(self, clock: SettableClock, expires_at: datetime | None) -> None:
        self._clock = clock
        self._expires_at = expires_at
        self.asked = 0

    async def exchange(self, key: str) -> KeyHolder:
        self.asked += 1
        expired = self._expires_at is not None and self._clock.now() >= self._expires_at
        return KeyHolder(
            user_id="ann",
            scopes=frozenset({"tasks"}),
            session_id="key:1",
            expires_at=self._expires_at,
            problem="the API key expired" if expired else "",
        )


async def test_a_key_is_asked_about_again_after_a_while() -> None:
    clock = SettableClock()
    service = Service(clock, None)
    keys = ApiKeyCache(service.exchange, clock)
    for asked in (1, 2):
        assert (await keys.verify("wbk_1")).subject == "ann"
        clock.advance(HELD_FOR - SECOND)
        await keys.verify("wbk_1")
        assert service.asked == asked
        clock.advance(SECOND)


async def test_an_expired_key_is_rejected_at_once() -> None:
    clock = SettableClock()
    service = Service(clock, NOON + HELD_FOR / 2)
    keys = ApiKeyCache(service.exchange, clock)
    assert (await keys.verify("wbk_1")).expires_at == NOON + HELD_FOR / 2
    clock.advance(HELD_FOR / 2 - SECOND)
    await keys.verify("wbk_1")
    assert service.asked == 1
    clock.advance(SECOND)
    with pytest.raises(TokenRejected, match="expired"):
        await keys.verify("wbk_1")
