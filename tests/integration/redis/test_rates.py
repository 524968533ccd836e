"""Uses counted in Redis follow its clock, and expire with their minute."""

from __future__ import annotations

from redis.asyncio import Redis

from ws_gateway.limits.rates.contract import WINDOW_S
from ws_gateway.limits.rates.redis import RedisWindow


async def uses(window: RedisWindow, key: str, limit: int, times: int) -> list[bool]:
    return [await window.take(key, limit, count=True) == 0 for _ in range(times)]


async def test_in_redis_the_times_are_the_server_s_and_go_with_the_minute(client: Redis) -> None:
    window = RedisWindow(client)
    await uses(window, "ann", 2, 2)
    [key] = await client.keys("whitebg:rates:*")
    assert 0 < await client.pttl(key) <= WINDOW_S * 1000
    seconds, _ = await client.time()
    newest = await client.lindex(key, 0)
    assert newest is not None
    assert abs(int(newest) / 1000 - seconds) < 30
    # As if the uses had been a minute ago.
    await client.delete(key)
    await client.rpush(key, *[(int(seconds) - 61) * 1000] * 2)
    assert await uses(window, "ann", 2, 3) == [True, True, False]


async def test_a_redis_whose_clock_was_set_back_locks_nobody_out(client: Redis) -> None:
    window = RedisWindow(client)
    seconds, _ = await client.time()
    await client.rpush("whitebg:rates:ann", *[(int(seconds) + 3600) * 1000] * 2)
    assert await uses(window, "ann", 2, 3) == [True, True, False]
