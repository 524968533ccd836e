"""Rate limit for calls to a service with a quota."""

from __future__ import annotations

import asyncio
from collections import deque


class Pace:
    """Limits the number of calls that begin in any time window."""

    def __init__(self, calls: int | None, *, window: float = 60.0) -> None:
        """Allow ``calls`` in any ``window`` seconds; None is no limit."""
        self._calls = calls
        self._window = window
        self._begun: deque[float] = deque()
        self._turns = asyncio.Lock()

    @property
    def free(self) -> bool:
        """Whether a call may begin now."""
        if self._calls is None:
            return True
        now = asyncio.get_running_loop().time()
        return sum(begun > now - self._window for begun in self._begun) < self._calls

    async def turn(self) -> None:
        """Wait until a call may begin. First come, first served; a cancelled waiter uses no slot."""
        if self._calls is None:
            return
        clock = asyncio.get_running_loop().time
        async with self._turns:
            while self._begun and self._begun[0] <= clock() - self._window:
                self._begun.popleft()
            if len(self._begun) >= self._calls:
                await asyncio.sleep(self._begun[0] + self._window - clock())
                self._begun.popleft()
            self._begun.append(clock())
