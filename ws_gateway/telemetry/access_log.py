"""Around every request and socket: its id, one log line without the query (that may hold tokens), and figures."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from ws_gateway.clock import Clock
from ws_gateway.telemetry import request_id
from ws_gateway.telemetry.metrics import Metrics

log = logging.getLogger("ws_gateway.access")

_ABNORMAL = 1006
CLIENT_CLOSED_REQUEST = 499
"""nginx's number for a client that has gone before it was answered."""


class AccessLog:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp, clock: Clock, metrics: Metrics) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        identity = request_id.usable_or_new(Headers(scope=scope).get("x-request-id"))
        token = request_id.current.set(identity)
        try:
            await (self._request if scope["type"] == "http" else self._socket)(scope, receive, send, identity)
        finally:
            request_id.current.reset(token)

    async def _request(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        # An application that fails before it answers is answered for by the server, with 500.
        began, status = self._clock.monotonic(), int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        finally:
            took = self._clock.monotonic() - began
            method, route = scope["method"], scope.get("route")
            template: str | None = getattr(route, "path", None)
            self._metrics.request(route=template, method=method, status=status, duration=took)
            _log(scope, method, status, took)

    async def _socket(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        began, seen = self._clock.monotonic(), _Socket(self._metrics)
        # Filled in by the endpoint, once it knows: `user_id`.
        state: dict[str, Any] = scope.setdefault("state", {})

        async def observed_receive() -> Message:
            message = await receive()
            seen.received(message)
            return message

        async def observed_send(message: Message) -> None:
            seen.sent(message)
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            await send(message)

        try:
            await self._app(scope, observed_receive, observed_send)
        except WebSocketDisconnect:
            # The client left before it was answered; how the socket ended has been observed.
            pass
        finally:
            took = self._clock.monotonic() - began
            _log(scope, "WEBSOCKET", seen.status, took)
            if seen.accepted:
                self._metrics.closed(seen.status, took)
            if "user_id" in state:
                extra = {"user_id": state["user_id"], "code": seen.status, "seconds": round(took, 3)}
                log.info("websocket_disconnect", extra=extra)


class _Socket:
    """A socket's response and its end: the side that closed first determined the code."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._code: int | None = None
        self.accepted = False

    @property
    def status(self) -> int:
        """The close code, or the HTTP status of a refused handshake."""
        return _ABNORMAL if self._code is None else self._code

    def sent(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self.accepted = True
                self._metrics.handshake(accepted=True)
            case "websocket.http.response.start":
                self._code = message["status"]
                self._metrics.handshake(accepted=False)
            case "websocket.close":
                if not self.accepted:
                    # Closed before it was accepted: the server answers 403.
                    self._code = int(HTTPStatus.FORBIDDEN)
                    self._metrics.handshake(accepted=False)
                self._code = self._code or message.get("code", 1000)

    def received(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            self._code = self._code or message.get("code", _ABNORMAL)


def _log(scope: Scope, method: str, status: int, took: float) -> None:
    path = scope["path"]
    extra = {"method": method, "path": path, "status": status, "ms": round(took * 1000, 1)}
    log.info("%s %s %d", method, path, status, extra=extra)
