"""Receives requests within a memory budget and a time limit."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from google.protobuf.message import DecodeError
from grpc import aio

from generator_service.domain.errors import InvalidRequest, RequestIncomplete
from generator_service.rpc.admission import Budget, Share

MAX_MESSAGE_BYTES = 34 * 1024 * 1024
"""A photo of 25 MiB, a mask of 8 MiB and the other fields."""
USERS_AT_ONCE = 4
"""Number of users whose stalled requests can delay all others, at most for the timeout of a request."""

Context = aio.ServicerContext[Any, Any]


class Receiver:
    """Receives requests of ``capacity`` bytes in total, each within ``timeout`` of its memory grant."""

    def __init__(self, capacity: int, timeout: timedelta) -> None:
        self._budget = Budget(capacity, per_user=capacity // USERS_AT_ONCE, largest=MAX_MESSAGE_BYTES)
        self._timeout = timeout.total_seconds()

    def share(self, account: str | None) -> AbstractAsyncContextManager[Share]:
        """Wait for the memory of one request; each account gets a quarter of it at most, None has no limit.

        Raises:
            Overloaded: too many requests are waiting.

        """
        return self._budget.share(account)

    async def receive(self, context: Context, share: Share) -> Any:
        """Return the next request, `aio.EOF` after the last. Release the unused part of the share.

        This avoids gRPC's iterator, which would hold the request until a full garbage collection.

        Raises:
            InvalidRequest: the bytes are not a message of the method's type.
            RequestIncomplete: the request did not arrive in time.

        """
        try:
            async with asyncio.timeout(self._timeout):
                request = await context.read()
        except DecodeError:
            raise InvalidRequest("request", "can't be parsed; send the message of this method's definition") from None
        except TimeoutError:
            raise RequestIncomplete(self._timeout) from None
        self._budget.shrink(share, 0 if request is aio.EOF else request.ByteSize())
        return request
