"""The timeout of an attempt: it measures work, without the time spent waiting for an engine's resources."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

_current: ContextVar[WorkTimeout | None] = ContextVar("work_timeout", default=None)


class WorkTimeout:
    """Like `asyncio.timeout`, but its clock is paused inside `waiting`.

    ::

        async with WorkTimeout(60.0):
            with waiting():
                process = await idle.get()  # not limited
            await process.perform(job)  # 60 s at most

    """

    def __init__(self, seconds: float) -> None:
        """Allow this many seconds of work."""
        self._allowed = seconds
        self._left = seconds
        self._timeout = asyncio.timeout(None)
        self._waits = 0

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._token = _current.set(self)
        self._run()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def worked(self) -> float:
        """Seconds of work up to now."""
        when = self._timeout.when()
        left = self._left if when is None else when - asyncio.get_running_loop().time()
        return self._allowed - left

    def expired(self) -> bool:
        """Return whether the work exceeded its time limit."""
        return self._timeout.expired()

    def pause(self) -> None:
        """Pause the clock, until `resume` is called as often."""
        self._waits += 1
        when = self._timeout.when()
        if when is not None and not self.expired():
            self._left = when - asyncio.get_running_loop().time()
            self._timeout.reschedule(None)

    def resume(self) -> None:
        """Restart the clock, unless another wait is in progress."""
        self._waits -= 1
        if not self._waits and not self.expired():
            self._run()

    def _run(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)


@contextmanager
def waiting() -> Iterator[None]:
    """Pause the clock of the current attempt, if there is one, while the block runs."""
    timeout = _current.get()
    if timeout is None:
        yield
        return
    timeout.pause()
    try:
        yield
    finally:
        timeout.resume()
