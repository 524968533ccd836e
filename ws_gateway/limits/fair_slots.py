"""Slots shared among users: the user with the fewest is next, then the one that waits longest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """``total`` slots, of which one user holds at most ``per_user``; further calls wait."""

    def __init__(self, total: int, per_user: int) -> None:
        self._free = total
        self._per_user = per_user
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def slot(self, user: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it within the block."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (user, granted)
        self._waiting.append(entry)
        self._grant()
        try:
            await granted
            yield
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
            else:
                self._free += 1
                self._held[user] -= 1
                if not self._held[user]:
                    del self._held[user]
                self._grant()

    def _grant(self) -> None:
        while self._free:
            able = [entry for entry in self._waiting if self._held[entry[0]] < self._per_user]
            if not able:
                return
            entry = min(able, key=lambda each: self._held[each[0]])
            self._waiting.remove(entry)
            user, granted = entry
            self._free -= 1
            self._held[user] += 1
            if not granted.done():
                granted.set_result(None)
