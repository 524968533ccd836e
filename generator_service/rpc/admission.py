"""A bound on the bytes of requests in memory. A call is granted its share before its message is received.

gRPC reports a message's size only after it is received: until then, the share is that of the largest message.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from generator_service.domain.errors import Overloaded

MAX_WAITING = 1_000
MAX_WAITING_PER_USER = 250
"""So that one user who stalls requests can't have those of all others rejected."""


@dataclass(slots=True)
class Share:
    """The bytes granted to one call."""

    user: str | None
    size: int
    granted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Budget:
    """Grants shares of ``capacity`` bytes in the order of arrival, at most ``per_user`` bytes to one user's calls.

    A call that would exceed its user's limit waits, and calls of other users pass it.
    """

    def __init__(self, capacity: int, *, per_user: int, largest: int) -> None:
        self._capacity = capacity
        self._per_user = max(per_user, largest)
        self._largest = largest
        self._taken = 0
        self._by_user: Counter[str | None] = Counter()
        self._waiting: list[Share] = []

    @property
    def taken(self) -> int:
        """Bytes granted at present."""
        return self._taken

    @asynccontextmanager
    async def share(self, user: str | None) -> AsyncIterator[Share]:
        """Wait for a share of the largest message's size, and hold it; None is a caller for many users, unlimited.

        Raises:
            Overloaded: too many calls are waiting, of all users or of this one.

        """
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(MAX_WAITING)
        if user is not None and sum(each.user == user for each in self._waiting) >= MAX_WAITING_PER_USER:
            raise Overloaded(MAX_WAITING_PER_USER)
        share = Share(user, self._largest)
        self._waiting.append(share)
        self._grant()
        try:
            await share.granted
            yield share
        finally:
            if share.granted.done() and not share.granted.cancelled():
                self._take(share, -share.size)
            else:
                self._waiting.remove(share)
            self._grant()

    def shrink(self, share: Share, size: int) -> None:
        """Release the part of a call's share that it does not need, once its size is known."""
        spare = max(0, share.size - size)
        share.size -= spare
        self._take(share, -spare)
        self._grant()

    def _grant(self) -> None:
        for share in tuple(self._waiting):
            if self._taken + share.size > self._capacity:
                return  # In order: a smaller request must not overtake.
            if share.user is not None and self._by_user[share.user] + share.size > self._per_user:
                continue
            self._waiting.remove(share)
            if not share.granted.done():
                share.granted.set_result(None)
                self._take(share, share.size)

    def _take(self, share: Share, size: int) -> None:
        self._taken += size
        self._by_user[share.user] += size
        if not self._by_user[share.user]:
            del self._by_user[share.user]
