"""Work without an end that goes on beside other work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_ASK_AGAIN_S = 0.1


@asynccontextmanager
async def run_in_background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Let it go on within the block; after it, cancel it until it has ended.

    Once may not be enough: up to Python 3.11 `asyncio.wait_for`, by which redis-py sends, can swallow a cancellation.
    """
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_ASK_AGAIN_S)
