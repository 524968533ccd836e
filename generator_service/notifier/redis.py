"""A line over Redis Pub/Sub."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CHANNEL = "whitebg"
TIMEOUT_SECONDS = 5.0
SILENCE_SECONDS = 4.0
"""How long a connection may be silent before it is tried; a lost one fails then."""


class RedisTransport:
    """Messages on one channel of a server."""

    limit = 256 * 1024

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
        """Connect for sending."""
        async with self._client() as client:
            await client.ping()

            async def send(message: str) -> None:
                await client.publish(CHANNEL, message)

            yield send

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Connect for receiving."""
        async with self._client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            async with aclosing(_messages(channel)) as messages:
                yield messages

    def _client(self) -> Redis:
        # No retries of its own: users of the connection must notice when it is lost.
        client: Redis = Redis.from_url(
            self._url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name="whitebg-wake",
        )
        return client


async def _messages(channel: PubSub) -> AsyncGenerator[bytes]:
    while True:
        message = await channel.get_message(timeout=SILENCE_SECONDS)
        if message is None:
            await channel.ping()
        elif message["type"] == "message":
            yield message["data"]
