"""Limits for request bodies: for the announced size, the received size, and the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ws_gateway.http.problems import Problem, respond

MIN_BYTES_PER_SECOND = 32 * 1024


class BodyLimit:
    """ASGI middleware: answers 413 to a body that is too large and 408 to one that is too slow, before reading on.

    ``limit_of`` returns the limit of a path in bytes. A body may take ``grace`` seconds, and one more for each
    `MIN_BYTES_PER_SECOND` that have arrived.
    """

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int], grace: float) -> None:
        self._app = app
        self._limit_of = limit_of
        self._grace = grace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            await respond(_too_large(limit))(scope, receive, send)
            return
        received, whole = 0, False
        began: float | None = None

        async def bounded() -> Message:
            nonlocal received, whole, began
            if whole:
                return await receive()
            # From the first read on: a request may have waited for its turn before.
            began = asyncio.get_running_loop().time() if began is None else began
            try:
                async with asyncio.timeout_at(began + self._grace + received / MIN_BYTES_PER_SECOND):
                    message = await receive()
            except TimeoutError:
                raise _too_slow(received) from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, bounded, send)


def _too_slow(received: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_too_slow",
        f"the request body arrived too slowly, {received} bytes so far; at least {MIN_BYTES_PER_SECOND} bytes a second "
        "are needed: send it again over a faster connection, or send a smaller photo",
        # The rest of the body would keep the connection for as long as an idle one may stay open.
        headers={"Connection": "close"},
    )


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"the request body is over {limit} bytes; send a smaller one",
    )
