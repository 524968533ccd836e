"""Timeouts of tests: waits end with a condition; only a defect reaches the timeout. No test measures the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 90.0
"""Seconds until a test fails: far longer than anything takes on a loaded machine."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds that has no signal."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (nothing signals it)
            await asyncio.sleep(0.01)
