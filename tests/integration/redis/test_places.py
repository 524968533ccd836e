"""Several gateways count a user's sockets together, through failures of gateways and of Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
from redis.asyncio import Redis

from tests.support.patience import PATIENCE, eventually
from tests.support.places import LEASE, InRedis, take
from ws_gateway.limits.connections import redis as module
from ws_gateway.limits.connections.contract import ConnectionLimiter, ConnectionSlot
from ws_gateway.limits.connections.held import Held
from ws_gateway.limits.connections.redis import RedisConnectionLimiter
from ws_gateway.redis_client import connect
from ws_gateway.redis_health import RedisHealth

SHORT = timedelta(seconds=1)
KEY = "whitebg:open:ann"


def away(backend: InRedis) -> bool:
    return backend.metrics.registry.get_sample_value("whitebg_redis_away", {"use": "sockets"}) == 1


async def tries(within: float = PATIENCE) -> AsyncIterator[None]:
    """Yield repeatedly for this time. Not by `asyncio.timeout`: redis-py may swallow its cancellation."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        yield
        await asyncio.sleep(0.02)
    pytest.fail(f"it did not happen within {within:g} s")


async def soon(places: ConnectionLimiter) -> ConnectionSlot:
    """Take a slot as soon as one is free."""
    async for _ in tries():
        if (place := await places.take("ann")) is not None:
            return place
    raise AssertionError


async def first_end(client: Redis) -> float:
    """Return the end of the first lease, in milliseconds."""
    [name] = await client.zrange(KEY, 0, 0)
    end = await client.zscore(KEY, str(name))
    assert end is not None
    return end


async def test_places_are_counted_over_all_gateways(in_redis: InRedis) -> None:
    async with in_redis.places(most=3) as one, in_redis.places(most=3) as two:
        here, _, _ = await take(one), await take(two), await take(one)
        assert [await places.take("ann") for places in (one, two)] == [None, None]
        await one.release(here)
        await take(two)
        assert [await places.take("ann") for places in (one, two)] == [None, None]


async def test_no_race_gets_one_more_in(in_redis: InRedis) -> None:
    async with AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(in_redis.places(most=7)) for _ in range(4)]
        for _ in range(5):
            answers = await asyncio.gather(*(places.take("ann") for places in gateways * 100))
            taken = [(place, gateways[number % 4]) for number, place in enumerate(answers) if place is not None]
            assert len(taken) == 7
            assert not away(in_redis), "a connection storm must not count as an outage"
            await asyncio.gather(*(places.release(place) for place, places in taken))


async def test_places_that_are_held_outlast_their_lease(in_redis: InRedis, client: Redis) -> None:
    async with in_redis.places(most=2, lease=SHORT) as one, in_redis.places(most=2, lease=SHORT) as two:
        await take(one)
        await take(two)
        end = await first_end(client)
        async for _ in tries():
            assert await client.zcard(KEY) == 2
            assert await two.take("ann") is None
            if await first_end(client) >= end + 1500:
                break


async def test_places_of_a_gateway_that_is_gone_are_free_when_its_lease_is_over(in_redis: InRedis) -> None:
    async with connect(in_redis.redis.url) as lost, in_redis.places(most=2, lease=SHORT) as left:
        # Its leases are neither renewed nor released, as after SIGKILL.
        gone = RedisConnectionLimiter(lost, Held(2), RedisHealth(in_redis.metrics, "gone", without=""), lease=SHORT)
        await take(gone)
        await take(left)
        assert await left.take("ann") is None
        await soon(left)
        assert await left.take("ann") is None, "its own were renewed meanwhile"


async def test_while_redis_is_away_each_counts_its_own(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.05)
    async with in_redis.places(most=2) as one, in_redis.places(most=2) as two:
        await take(one)
        held = await take(two)
        assert await one.take("ann") is None
        in_redis.redis.kill()
        for places in (one, two):
            await take(places)
            assert await places.take("ann") is None
        assert away(in_redis)
        assert caplog.text.count("Redis can't be reached for sockets") == 2, "once for each gateway"

        # It restarts empty: each gateway registers its slots again, and all are counted.
        in_redis.redis.start()
        await eventually(lambda: not away(in_redis))
        async for _ in tries():
            if await client.zcard(KEY) == 4:
                break
        async with in_redis.places(most=2) as three:
            assert await three.take("ann") is None
            await two.release(held)
            assert await three.take("ann") is None, "still one more than allowed"


async def test_a_server_that_hangs_holds_up_one_not_all(in_redis: InRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_redis.places(most=100) as places:
        in_redis.redis.freeze()
        await take(places)
        assert away(in_redis)
        asked = AsyncMock(side_effect=AssertionError("the outage is known already"))
        monkeypatch.setattr(places, "_take", asked)
        await asyncio.gather(*(take(places) for _ in range(50)))


async def test_what_is_given_back_while_leases_are_renewed_is_not_written_down_again(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_redis.places(most=2) as places:
        assert isinstance(places, RedisConnectionLimiter)
        place = await take(places)
        renewal = places._renewal

        async def given_back_before_it_arrives(**arguments: Any) -> None:
            await places.release(place)
            await renewal(**arguments)
            assert await client.zcard(KEY) == 1

        monkeypatch.setattr(places, "_renewal", given_back_before_it_arrives)
        await places._renew()
        assert await client.zcard(KEY) == 0


async def test_many_users_are_renewed_in_bounded_steps(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    async with in_redis.places(most=2) as places:
        assert isinstance(places, RedisConnectionLimiter)
        for number in range(30):
            await take(places, f"user-{number}")
        await client.flushall()
        await places._renew()
        assert len(await client.keys("whitebg:open:*")) == 30


async def test_keys_say_whose_they_are_and_go_away_by_themselves(in_redis: InRedis, client: Redis) -> None:
    async with in_redis.places(most=2) as places:
        place = await take(places)
        assert await client.keys() == [KEY]
        assert 0 < await client.pttl(KEY) <= LEASE / timedelta(milliseconds=1)
        await places.release(place)
        assert await client.keys() == []
