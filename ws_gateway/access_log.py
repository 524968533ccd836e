"""One log line per request, without its query: that may hold tokens. Also gives each request its id."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ws_gateway import request_id
from ws_gateway.clock import Clock

log = logging.getLogger("ws_gateway.access")


class AccessLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        identity = request_id.usable_or_new(Headers(scope=scope).get("x-request-id"))
        token = request_id.current.set(identity)
        started, status = self._clock.monotonic(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            milliseconds = (self._clock.monotonic() - started) * 1000
            method = scope.get("method", "WEBSOCKET")
            log.info("%s %s %d %.1f ms request_id=%s", method, scope["path"], status, milliseconds, identity)
            request_id.current.reset(token)
