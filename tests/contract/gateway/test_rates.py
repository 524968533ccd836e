"""Uses of a key per minute, in memory and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from tests.support.clock import SettableClock
from tests.support.redis import RedisServer
from ws_gateway.limits.rates.contract import WINDOW_S, Window
from ws_gateway.limits.rates.local import MAX_KEYS, LocalWindow
from ws_gateway.limits.rates.redis import RedisWindow
from ws_gateway.redis_client import connect


@pytest.fixture
async def client(emptied_redis: RedisServer) -> AsyncIterator[Redis]:
    async with connect(emptied_redis.url) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
def window(request: pytest.FixtureRequest) -> Window:
    return LocalWindow(SettableClock()) if request.param == "memory" else RedisWindow(request.getfixturevalue("client"))


async def uses(window: Window, key: str, limit: int, times: int) -> list[bool]:
    return [await window.take(key, limit, count=True) == 0 for _ in range(times)]


async def test_so_many_a_minute_of_each_key(window: Window) -> None:
    assert await uses(window, "ann", 3, 5) == [True] * 3 + [False] * 2
    assert await uses(window, "bob", 3, 1) == [True]
    assert WINDOW_S - 20 < await window.take("ann", 3, count=True) <= WINDOW_S


async def test_a_look_counts_nothing(window: Window) -> None:
    assert [await window.take("ann", 1, count=False) for _ in range(3)] == [0] * 3
    assert await uses(window, "ann", 1, 1) == [True]
    assert await window.take("ann", 1, count=False) > 0


async def test_many_at_once_get_no_more(window: Window) -> None:
    waits = await asyncio.gather(*(window.take("ann", 10, count=True) for _ in range(200)))
    assert waits.count(0) == 10


async def test_the_minute_moves_along() -> None:
    clock = SettableClock()
    window = LocalWindow(clock)
    for second in (0, 10, 20):
        clock.advance(timedelta(seconds=10) if second else timedelta())
        assert await uses(window, "ann", 3, 1) == [True]
    assert await window.take("ann", 3, count=True) == WINDOW_S - 20
    clock.advance(timedelta(seconds=40))
    assert await uses(window, "ann", 3, 2) == [True, False]
    assert await window.take("ann", 3, count=True) == 10, "when the second one is a minute ago"


async def test_keys_that_nobody_uses_are_dropped() -> None:
    clock = SettableClock()
    window = LocalWindow(clock)
    for number in range(1000):
        await window.take(f"key-{number}", 3, count=True)
    clock.advance(timedelta(seconds=WINDOW_S / 2))
    await window.take("key-0", 3, count=True)
    clock.advance(timedelta(seconds=WINDOW_S / 2))
    await window.take("ann", 3, count=True)
    assert len(window) == 2, "one of them was used again half a minute ago"


async def test_however_many_keys_are_used_the_memory_is_bounded() -> None:
    window = LocalWindow(SettableClock())
    for number in range(MAX_KEYS + 10):
        await window.take(f"key-{number}", 1, count=True)
    assert len(window) == MAX_KEYS
    assert await uses(window, f"key-{MAX_KEYS}", 1, 1) == [False], "the latest are counted on"
    assert await uses(window, "key-0", 1, 1) == [True]


async def test_a_gateway_s_clock_that_is_set_locks_nobody_out() -> None:
    """Only the monotonic clock counts: the wall clock may be set to any time."""

    class Monotonic(SettableClock):
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    clock = Monotonic()
    window = LocalWindow(clock)
    assert await uses(window, "ann", 1, 2) == [True, False]
    clock.advance(timedelta(hours=-1))
    clock.seconds += WINDOW_S
    assert await uses(window, "ann", 1, 1) == [True]
