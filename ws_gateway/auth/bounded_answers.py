"""Limits of an identity provider's answers: a broken or hostile one must not fill the memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

MAX_BYTES = 1 << 20
"""Longest answer that is read: a key of a key set takes about 1 KB, with its certificates 10 KB."""


class AnswerUnusable(httpx2.HTTPError):
    """The answer is too long, or compressed without a request for it."""


def bounded() -> dict[str, Any]:
    """Return the arguments of an HTTP client that reads no longer answers, and decompresses none."""
    return {"headers": {"Accept-Encoding": "identity"}, "event_hooks": {"response": [_bound]}}


async def _bound(response: httpx2.Response) -> None:
    """Limit a response whose head was received.

    Raises:
        AnswerUnusable: it is compressed: a few bytes may stand for millions.

    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise AnswerUnusable(f"the answer is compressed ({encoding[:20]}), which was not requested")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that ends with an error after `MAX_BYTES`."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for part in self._body:
            received += len(part)
            if received > MAX_BYTES:
                raise AnswerUnusable(f"the answer has more than {MAX_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        """Close the connection or return it."""
        await self._body.aclose()
