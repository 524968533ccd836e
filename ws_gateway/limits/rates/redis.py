"""Uses counted at all gateways together."""

from __future__ import annotations

from redis.asyncio import Redis

from ws_gateway.limits.rates.contract import WINDOW_S, WindowUnavailable
from ws_gateway.redis_client import UNREACHABLE

# The latest uses, newest first, in milliseconds of the server's clock; one in the future: the clock was set back.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = redis.call('LINDEX', KEYS[1], 0)
if newest and tonumber(newest) > now then redis.call('DEL', KEYS[1]) end
local oldest = redis.call('LINDEX', KEYS[1], limit - 1)
if oldest and now - oldest < window then return window - (now - oldest) end
if ARGV[3] == '1' then
  redis.call('LPUSH', KEYS[1], now)
  redis.call('LTRIM', KEYS[1], 0, limit - 1)
  redis.call('PEXPIRE', KEYS[1], window)
end
return 0
"""


class RedisWindow:
    """Counts the uses at all gateways."""

    def __init__(self, client: Redis) -> None:
        self._take = client.register_script(_TAKE)

    async def take(self, key: str, limit: int, *, count: bool) -> float:
        """Return 0 if one more use is within the limit, else the seconds until it is."""
        arguments = [limit, int(WINDOW_S * 1000), int(count)]
        try:
            return float(await self._take(keys=[f"whitebg:rates:{key}"], args=arguments)) / 1000
        except UNREACHABLE as error:
            raise WindowUnavailable(str(error)) from error
