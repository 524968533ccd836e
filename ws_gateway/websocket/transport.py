"""The bytes below a WebSocket: how many its client has yet to take, and how to end one that takes none.

ASGI exposes neither, so uvicorn's protocol hands a `Wire` to the application beside the scope.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from ws_gateway.protocol import close_codes

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_EXTENSION = "whitebg.wire"
_LINGER_S = 5.0
_KERNEL_BYTES = 64 * 1024
"""Bytes that the operating system takes ahead of what the line can send. By default it takes megabytes of a client
that does not read: they cost memory, reach a slow client late, and delay a ping beyond the wait for its answer."""
FRAMES_AT_ONCE = 300
"""Frames that a client may send at once, control frames included."""
_FRAMES_PER_SECOND = 20
_FRAMES_PER_SENT = 2
"""Further ones for each message that it was sent: it acknowledges each."""
_MOST_FRAMES = 10_000
_TOO_MANY_FRAMES = f"too many frames: more than {_FRAMES_PER_SECOND} a second besides acks"


class Wire(Protocol):
    """The transport below one WebSocket."""

    def unsent(self) -> int:
        """Return the bytes that the operating system has not taken yet, because the client reads too slowly."""
        ...

    async def room(self, timeout: float) -> bool:
        """Wait until a frame can be sent without waiting; return False if that takes over ``timeout`` seconds."""
        ...

    async def write(self, texts: Sequence[str]) -> None:
        """Send text frames, in one write.

        Raises:
            WebSocketDisconnect: the client is disconnected.

        """
        ...


class WireProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, for clients that may not read.

    A close frame does not wait for room: it is queued behind unsent data, and a few seconds later the connection is
    dropped, even if the client has not read everything. Otherwise a client could hold its buffers indefinitely.
    """

    _abort_timer: asyncio.TimerHandle | None = None
    _frames = float(FRAMES_AT_ONCE)
    """Frames that the client may still send."""
    _counted_at = 0.0

    def handle_connect(self, event: Request) -> None:
        """Begin to serve a handshake."""
        super().handle_connect(event)
        if not self.close_sent:
            _bound_kernel_buffer(self.transport.get_extra_info("socket"))
            # The application runs from the next turn of the loop on, so it finds this.
            self.scope["extensions"][_EXTENSION] = {"wire": self}

    def data_received(self, data: bytes) -> None:
        """Take in bytes; answer and close if they are no handshake, which uvicorn would leave open and unanswered."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_text(self, event: Frame) -> None:
        """Take in a text frame."""
        if self._may_send():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take in a binary frame."""
        if self._may_send():
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Take in a continuation frame."""
        if self._may_send():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer a ping."""
        if self._may_send():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take in a pong."""
        if self._may_send():
            super().handle_pong(event)

    def _may_send(self) -> bool:
        """Count a frame; close if there are more than a client of the protocol has reason to send."""
        if self.close_sent:
            return False
        now = self.loop.time()
        if self._frames < FRAMES_AT_ONCE:
            gained = (now - self._counted_at) * _FRAMES_PER_SECOND
            self._frames = min(float(FRAMES_AT_ONCE), self._frames + gained)
        self._counted_at = now
        self._frames -= 1.0
        if self._frames >= 0.0:
            return True
        self.conn.send_close(close_codes.CloseCode.TOO_SLOW, _TOO_MANY_FRAMES)
        self.handle_parser_exception()
        return False

    def send_receive_event_to_app(self) -> None:
        """Pass a message on, or close: uvicorn would log damaged text of a client as an error, with a traceback."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(CloseCode.INVALID_DATA, "a text frame is not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def write(self, texts: Sequence[str]) -> None:
        """Write text frames, past the layers of the application, which have nothing to add to them."""
        if self.disconnected or self.close_sent:
            raise WebSocketDisconnect(1006)
        try:
            for text in texts:
                self.conn.send_text(text.encode())
        except InvalidState:
            raise WebSocketDisconnect(1006) from None
        self._frames = min(_MOST_FRAMES, self._frames + _FRAMES_PER_SENT * len(texts))
        self.transport.write(b"".join(self.conn.data_to_send()))

    async def send(self, message: ASGISendEvent) -> None:
        """Send the application's message.

        Raises:
            ClientDisconnected: the client is disconnected, or sent something for which the socket was closed.

        """
        if self.handshake_complete and self.close_sent and self.transport.is_closing():
            raise ClientDisconnected
        closing = message["type"] == "websocket.close" and self.handshake_complete
        if closing:
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # Rejected, which is complete too: uvicorn would log an error of the application.
            self.handshake_complete = True
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
        """Notify the application that the client is disconnected."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(_LINGER_S, self.transport.abort)


def _bound_kernel_buffer(connection: socket.socket) -> None:
    """Limit what the operating system takes for a TCP connection before it can be sent."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, _KERNEL_BYTES)


class _NoWire:
    """For servers that do not show it: sends wait for as long as they like."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def write(self, texts: Sequence[str]) -> None:
        for text in texts:
            await self._websocket.send_text(text)

    def unsent(self) -> int:
        return 0

    async def room(self, timeout: float) -> bool:  # noqa: ARG002  # the name is part of the protocol
        return True


def wire_of(websocket: WebSocket) -> Wire:
    """Return the transport below a WebSocket."""
    extension = websocket.scope.get("extensions", {}).get(_EXTENSION)
    wire: Wire = _NoWire(websocket) if extension is None else extension["wire"]
    return wire
