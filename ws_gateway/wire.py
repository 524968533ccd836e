"""The bytes below a WebSocket: how many its client has yet to take, and how to end one that takes none.

ASGI tells neither, so uvicorn's protocol hands a `Wire` to the application beside the scope.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_EXTENSION = "whitebg.wire"
_LINGER_S = 5.0


class Wire(Protocol):
    """What is below one WebSocket."""

    def unsent(self) -> int:
        """Return the bytes that the operating system has not taken yet, because the client reads too slowly."""
        ...

    async def room(self, timeout: float) -> bool:
        """Wait until a frame can be sent without waiting; return False if that takes over ``timeout`` seconds."""
        ...


class WireProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, for clients that may not read.

    A close frame does not wait for room: it comes behind what is unsent, and a few seconds later the connection is
    dropped, whether the client has taken it all or not. Else it would hold its buffers for as long as it likes.
    """

    _abort_timer: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Begin to serve a handshake."""
        super().handle_connect(event)
        if not self.close_sent:
            # The application runs from the next turn of the loop on, so it finds this.
            self.scope["extensions"][_EXTENSION] = {"wire": self}

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says."""
        closing = message["type"] == "websocket.close" and self.handshake_complete
        if closing:
            self.writable.set()
        await super().send(message)
        if closing:
            self._abort_soon()

    def unsent(self) -> int:
        """Return the bytes in the transport's buffer."""
        return self.transport.get_write_buffer_size()

    async def room(self, timeout: float) -> bool:
        """Wait until the transport takes more."""
        if self.writable.is_set():
            return True
        try:
            async with asyncio.timeout(timeout):
                await self.writable.wait()
        except TimeoutError:
            return False
        return True

    def keepalive_timeout(self) -> None:
        """Give up a client that did not answer a ping."""
        super().keepalive_timeout()
        self._abort_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application that the client is gone."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(_LINGER_S, self.transport.abort)


class _NoWire:
    """For servers that do not show it: sends wait for as long as they like."""

    def unsent(self) -> int:
        return 0

    async def room(self, timeout: float) -> bool:  # noqa: ARG002  # the name is part of the protocol
        return True


def wire_of(scope: Scope) -> Wire:
    """Return what is below the WebSocket of this scope."""
    extension = scope.get("extensions", {}).get(_EXTENSION)
    wire: Wire = _NoWire() if extension is None else extension["wire"]
    return wire
