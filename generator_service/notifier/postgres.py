"""A line over PostgreSQL's LISTEN and NOTIFY, outside the transactions that change tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from psycopg import AsyncConnection

CHANNEL = "whitebg"
CONNECT_SECONDS = 5


class PostgresTransport:
    """Messages on one channel of the database; the server takes up to 8000 bytes each."""

    limit = 7999

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
        """Connect for sending."""
        async with await self._connect() as connection:

            async def send(message: str) -> None:
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))

            yield send

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[AsyncIterator[str]]:
        """Connect for receiving."""
        async with await self._connect() as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async with aclosing(connection.notifies()) as messages:
                yield (message.payload async for message in messages)

    async def _connect(self) -> AsyncConnection:
        return await AsyncConnection.connect(
            self._url,
            autocommit=True,
            application_name="whitebg-wake",
            connect_timeout=CONNECT_SECONDS,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=15_000,
        )
