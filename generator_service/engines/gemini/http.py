"""The HTTP client for the google-genai SDK, which bounds replies and follows no redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import httpx2

on_sent: ContextVar[Callable[[], None] | None] = ContextVar("on_sent", default=None)
"""Called when the request of the current task has been sent and the wait for the response begins."""


class ReplyTooLarge(httpx2.ReadError):
    """The reply is longer than the limit."""


def make_client(*, timeout: float, max_reply_bytes: int, connections: int) -> httpx2.AsyncClient:
    """Create a client whose replies are at most ``max_reply_bytes`` long.

    It follows no redirects, since they would send the API key in the request's headers to another host. ``timeout``
    is in seconds, for connecting and for each read and write.
    """

    async def bound(response: httpx2.Response) -> None:
        response.stream = _BoundedStream(response.stream, max_reply_bytes)

    return httpx2.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        # A short compressed reply could expand to a very long one; pictures gain nothing from compression.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"request": [_tell_when_sent], "response": [bound]},
    )


async def _tell_when_sent(request: httpx2.Request) -> None:
    async def trace(event: str, _info: object) -> None:
        if event.endswith("send_request_body.complete") and (callback := on_sent.get()) is not None:
            callback()

    request.extensions["trace"] = trace


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream | httpx2.AsyncByteStream, limit: int) -> None:
        if not isinstance(inner, httpx2.AsyncByteStream):
            raise TypeError("an async client has async streams")
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._limit:
                raise ReplyTooLarge(f"the reply is longer than {self._limit} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
