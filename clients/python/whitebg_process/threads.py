"""Work in threads, which can't be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import TypeVar

_Made = TypeVar("_Made")


async def finish_in_thread(work: Callable[[], _Made], release: Callable[[_Made], object] | None = None) -> _Made:
    """Run ``work`` in a thread and return its result, waiting for its end even when cancelled.

    Without this, the thread would go on with files that its caller has closed, or make one that no code removes. When
    cancelled, the result is passed to ``release``, which may be a coroutine function.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):  # It is raised below.
                await asyncio.wait([future])
        if future.exception() is None and release is not None:
            released = release(future.result())
            if inspect.isawaitable(released):
                await released
        raise
