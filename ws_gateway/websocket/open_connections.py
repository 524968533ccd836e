"""The open sockets of this process, so that they can be counted, closed, and sent to another gateway."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from ws_gateway.auth.jwt import Claims
from ws_gateway.protocol.close_codes import Close
from ws_gateway.websocket.connection import Connection

log = logging.getLogger(__name__)

_RETURN_MS = 1.25
"""For each client that has to resume elsewhere, how much longer the time is over which all are spread. A gateway takes
in about 800 clients a second; if more came at a time, they would wait for it, and in the end connect again."""


class OpenConnections:
    """All open sockets of this process."""

    def __init__(self) -> None:
        self.draining = False
        """Whether the gateway is shutting down and takes no more."""
        self._open: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._open)

    def unsent(self) -> int:
        """Return how many bytes wait for all clients to read."""
        return sum(connection.unsent for connection in self._open)

    def claims(self) -> list[Claims]:
        """Return the claims of the open sockets' tokens."""
        return [connection.claims for connection in self._open]

    def close_where(self, condition: Callable[[Claims], bool], close: Close) -> None:
        """Close the sockets whose token fits."""
        for connection in [each for each in self._open if condition(each.claims)]:
            connection.close(close)

    async def serve(self, connection: Connection) -> None:
        """Run a connection, and know of it while it is open."""
        self._open.add(connection)
        self._none_left.clear()
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            if not self._open:
                self._none_left.set()

    def retry_after_ms(self) -> int:
        """Return when one client is to come back: spread, so that not all come at once."""
        return random.SystemRandom().randint(200, 500 + round(_RETURN_MS * len(self._open)))

    async def drain(self, timeout: float) -> None:
        """Ask every client to resume elsewhere; return when all are disconnected, or after ``timeout`` seconds."""
        self.draining = True
        for connection in tuple(self._open):
            connection.go_away(self.retry_after_ms())
        try:
            async with asyncio.timeout(timeout):
                await self._none_left.wait()
        except TimeoutError:
            log.warning("%d sockets did not answer the close frame within %.0f s", len(self._open), timeout)
