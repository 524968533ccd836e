"""How fast calls to a service with a quota may begin."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta


class Pace:
    """Lets at most so many calls begin in any minute; after a refusal, none until its time is over."""

    def __init__(self, calls: int | None, *, window: float = 60.0) -> None:
        """Make a pace of ``calls`` in ``window`` seconds; None is as fast as you like."""
        self._calls = calls
        self._window = window
        self._begun: deque[float] = deque()
        self._turns = asyncio.Lock()
        self._held_until = 0.0

    async def turn(self) -> None:
        """Wait until a call may begin. First come, first served; a waiter that is cancelled takes no turn."""
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

    def hold(self, delay: timedelta) -> None:
        """Let nothing begin for a while: the service said so."""
        until = asyncio.get_running_loop().time() + delay.total_seconds()
        self._held_until = max(self._held_until, until)

    @property
    def held(self) -> timedelta | None:
        """How long nothing may begin yet; None if it may."""
        left = self._held_until - asyncio.get_running_loop().time()
        return timedelta(seconds=left) if left > 0 else None
