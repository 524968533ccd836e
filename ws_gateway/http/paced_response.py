"""A streamed body whose reader has to keep up, because it holds a slot that others wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from ws_gateway.http.body_limit import MIN_BYTES_PER_SECOND

log = logging.getLogger(__name__)


class PacedResponse(StreamingResponse):
    """Sends a stream, and ends it early when the reader is too slow; the body is incomplete then.

    The reader may be late by ``grace`` seconds at most, measured against `MIN_BYTES_PER_SECOND`. Only the time in which
    a chunk waits for the reader counts, not the time in which it is made.
    """

    def __init__(
        self, content: AsyncGenerator[bytes], *, grace: float, media_type: str, headers: dict[str, str]
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._content = content
        self._grace = grace
        self._left = grace
        """Seconds that the reader may still be late; it grows with each chunk, but never beyond the grace."""

    async def stream_response(self, send: Send) -> None:
        """Send the head and all chunks."""

        async def paced(message: Message) -> None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with asyncio.timeout(self._left):
                await send(message)
            earned = len(message.get("body", b"")) / MIN_BYTES_PER_SECOND
            self._left = min(self._grace, self._left + earned - (loop.time() - began))

        async with aclosing(self._content):
            try:
                await super().stream_response(paced)
            except TimeoutError:
                log.info("a download ended early: it was read at less than %d bytes a second", MIN_BYTES_PER_SECOND)
