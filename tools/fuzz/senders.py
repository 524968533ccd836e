"""Sends a case to the real servers and returns all that came back."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import CloseCode
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tools.fuzz.cases import Case, GrpcCase, HttpCase, SocketCase

WATCH_SECONDS = 0.2
"""How long a stream without an end is read."""
FRAME_SECONDS = 0.05
"""How long a socket is read after the last frame."""
RAW_SECONDS = 0.2
"""How long the end of a socket is awaited after bytes that are no frame."""
MAX_RESPONSES = 20
LONGEST_SECONDS = 30.0
"""A response that takes longer counts as a hang, on a machine of any speed."""
_STREAMS = frozenset({"WatchTasks", "Watch", "ServerReflectionInfo"})
_STREAMS_IN = frozenset({"ServerReflectionInfo"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, such as ``NOT_FOUND``, ``404`` or ``close 4004``, and all of its bytes."""

    status: str
    body: bytes


class Senders:
    """Connections to a service and a gateway."""

    def __init__(self, grpc_target: str, http_port: int) -> None:
        self._channel = grpc.insecure_channel(
            grpc_target, options=[("grpc.enable_retries", 0), ("grpc.max_send_message_length", 64 * 1024 * 1024)]
        )
        self._http_port = http_port

    def close(self) -> None:
        """Close the connections."""
        self._channel.close()

    def send(self, case: Case) -> Answer:
        """Send one case; return the answer.

        Raises:
            TimeoutError: none came in time.

        """
        match case:
            case GrpcCase():
                return self._call(case)
            case HttpCase():
                return self._request(case.request)
            case SocketCase():
                return self._session(case)

    def _call(self, case: GrpcCase) -> Answer:
        name = case.method.rpartition("/")[2]
        endless = name in _STREAMS
        timeout = WATCH_SECONDS if endless else LONGEST_SECONDS
        received: list[bytes] = []
        metadata = tuple(case.metadata)
        try:
            if name in _STREAMS_IN:
                received = _first_of(self._method(case, "stream_stream")(iter([case.request]), timeout, metadata))
            elif endless or name == "DownloadImage":
                received = _first_of(self._method(case, "unary_stream")(case.request, timeout, metadata))
            else:
                received = [self._method(case, "unary_unary")(case.request, timeout, metadata)]
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not endless:
                raise TimeoutError(f"{case.method} took over {LONGEST_SECONDS:g} s") from None
            return Answer(error.code().name, b"".join(received) + (error.details() or "").encode())
        return Answer("OK", b"".join(received))

    def _method(self, case: GrpcCase, kind: str) -> Any:
        """Return a method that takes and returns bytes, which the stubs don't provide for."""
        return getattr(self._channel, kind)(case.method)

    def _request(self, request: bytes) -> Answer:
        with socket.create_connection(("127.0.0.1", self._http_port), LONGEST_SECONDS) as connection:
            # The gateway may reject it, and close, before it has read all.
            with suppress(OSError):
                connection.sendall(request)
                # An announced body that never ends would be waited for.
                connection.shutdown(socket.SHUT_WR)
            received = _all_of(connection)
        status = received.split(b" ", 2)[1].decode("latin-1") if received.startswith(b"HTTP/") else "closed"
        return Answer(status, received)

    def _session(self, case: SocketCase) -> Answer:
        received = b""
        url = f"ws://127.0.0.1:{self._http_port}/ws/notifications?{case.query}"
        protocols = [Subprotocol("whitebg.v2")] if case.v2 else None
        # After bytes that are no frame, the gateway may not understand the close either.
        close_timeout = RAW_SECONDS if case.raw else LONGEST_SECONDS
        try:
            client = connect(url, subprotocols=protocols, open_timeout=LONGEST_SECONDS, close_timeout=close_timeout)
        except InvalidHandshake as error:
            return Answer(f"handshake {type(error).__name__}", str(error).encode())
        except (EOFError, ConnectionError):
            return Answer("closed", b"")
        with suppress(ConnectionClosed, OSError, EOFError), client:
            for frame in case.frames:
                client.send(frame)
            if case.raw:
                client.socket.sendall(case.raw)
            with suppress(TimeoutError):
                while True:
                    message = client.recv(FRAME_SECONDS)
                    received += message if isinstance(message, bytes) else message.encode()
        unfinished = case.raw and client.close_code in {None, CloseCode.ABNORMAL_CLOSURE}
        return Answer(
            "cut" if unfinished else f"close {client.close_code}", received + (client.close_reason or "").encode()
        )


def _first_of(stream: grpc.Call) -> list[bytes]:
    received: list[bytes] = []
    for message in stream:  # type: ignore[attr-defined]  # a call that streams is an iterator
        received.append(message)
        if len(received) == MAX_RESPONSES:
            stream.cancel()
            break
    return received


def _all_of(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def faults_of(status: str, body: bytes, *, secret: bytes, may_see_all: bool) -> Sequence[str]:
    """Return the faults of an answer to any request: an internal error, or another user's data."""
    found = []
    if status in {"INTERNAL", "UNKNOWN", "DATA_LOSS"} or (status.isdecimal() and int(status) >= 500):
        found.append(f"internal error: {status}")
    if status in {"close 1011", "close 1006"}:
        found.append(f"socket ended by a fault: {status}")
    if not may_see_all and secret in body:
        found.append("another user's data")
    return found
