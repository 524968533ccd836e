"""Connection slots that several gateways share through Redis.

Each user has a sorted set of slots, by the time at which their lease ends. A gateway renews the leases of its own
slots; those of a killed gateway expire. Times are the server's, so the gateways' clocks do not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from redis.asyncio import Redis

from ws_gateway.background import run_in_background
from ws_gateway.limits.connections.contract import ConnectionSlot
from ws_gateway.limits.connections.held import Held
from ws_gateway.limits.connections.local import LocalConnectionLimiter
from ws_gateway.redis_client import UNREACHABLE
from ws_gateway.redis_health import RedisHealth

AWAY_S = 1.0
"""Seconds between attempts to reach an unavailable server."""
_AT_ONCE = 200
"""Users whose leases are renewed in one go; more would keep the event loop from everything else."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# Atomic, so that two gateways can't both take the last slot. Repeated after a disconnect, it returns the same result.
_TAKE = f"""{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local most = tonumber(ARGV[2])
local full = most > 0 and redis.call('ZCARD', KEYS[1]) >= most
if full and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

# For each key, the number of slots and their names.
_RENEW = f"""{_NOW}
local at = 2
for _, key in ipairs(KEYS) do
  local last = at + tonumber(ARGV[at])
  for name = at + 1, last do redis.call('ZADD', key, now + ARGV[1], ARGV[name]) end
  redis.call('PEXPIRE', key, ARGV[1])
  at = last + 1
end
"""


class RedisConnectionLimiter:
    """Counts the sockets of all gateways; see `ws_gateway.limits.connections.contract.ConnectionLimiter`.

    While Redis is unavailable, each gateway counts only its own. Afterwards they record their slots again; until then a
    user may get more slots than allowed, and afterwards gets none until enough are released.
    """

    def __init__(self, client: Redis, held: Held, reach: RedisHealth, *, lease: timedelta) -> None:
        self._client = client
        self._held = held
        self._alone = LocalConnectionLimiter(held)
        self._reach = reach
        self._lease_ms = lease // timedelta(milliseconds=1)
        self._renew_every = lease.total_seconds() / 3
        self._take = client.register_script(_TAKE)
        self._renewal = client.register_script(_RENEW)
        self._lost = asyncio.Event()

    async def take(self, user_id: str) -> ConnectionSlot | None:
        """Acquire a slot; None if all are taken."""
        if not self._held.room(user_id):
            return None
        if self._reach.ok:
            place = self._held.new(user_id)
            try:
                granted = await self._take(keys=[_key(user_id)], args=[place.name, self._held.most, self._lease_ms])
            except UNREACHABLE as error:
                self._lose(error)
            else:
                if not granted:
                    return None
                self._held.add(place)
                return place
        return await self._alone.take(user_id)

    async def release(self, place: ConnectionSlot) -> None:
        """Release the slot; while Redis is unavailable, its lease expires instead."""
        self._held.discard(place)
        if not self._reach.ok:
            return
        try:
            await self._client.zrem(_key(place.user_id), place.name)
        except UNREACHABLE as error:
            self._lose(error)

    async def keep(self) -> None:
        """Renew the leases, and retry an unavailable server, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._renew_every if self._reach.ok else AWAY_S):
                    await self._lost.wait()
            self._lost.clear()
            try:
                await self._renew()
            except Exception as error:  # noqa: BLE001 (whatever it was, it is to be tried again)
                self._reach.lost(error)
            else:
                self._reach.back()

    async def _renew(self) -> None:
        users = self._held.by_user()
        # Once with nothing to renew, too: this is how a server is noticed that has gone or come back.
        for start in range(0, max(1, len(users)), _AT_ONCE):
            some = users[start : start + _AT_ONCE]
            arguments: list[str | int] = [self._lease_ms]
            for _, places in some:
                arguments += [len(places), *(place.name for place in places)]
            await self._renewal(keys=[_key(user_id) for user_id, _ in some], args=arguments)
            # A slot released in the meantime may have been recorded after its release.
            for place in (place for _, places in some for place in places if place not in self._held):
                await self._client.zrem(_key(place.user_id), place.name)

    def _lose(self, error: Exception) -> None:
        self._reach.lost(error)
        self._lost.set()


def _key(user_id: str) -> str:
    return f"whitebg:open:{user_id}"


@asynccontextmanager
async def redis_connection_limiter(
    client: Redis, held: Held, reach: RedisHealth, *, lease: timedelta
) -> AsyncIterator[RedisConnectionLimiter]:
    """Share slots with other gateways within the block."""
    places = RedisConnectionLimiter(client, held, reach, lease=lease)
    async with run_in_background(places.keep(), "places"):
        yield places
