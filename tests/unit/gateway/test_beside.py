"""Background work ends with the block that it belongs to."""

from __future__ import annotations

import asyncio

from tests.support.patience import PATIENCE
from ws_gateway.background import run_in_background


async def test_it_goes_on_within_the_block_and_ends_with_it() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(PATIENCE):
        async with run_in_background(work(), "work"):
            await began.wait()
            assert not ended.is_set()
    assert ended.is_set()


async def test_what_swallows_a_cancellation_ends_none_the_less() -> None:
    began, swallowed = asyncio.Event(), 0

    async def work() -> None:
        nonlocal swallowed
        while swallowed < 3:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        async with run_in_background(work(), "work"):
            await began.wait()
    assert swallowed == 3


async def test_what_ends_by_itself_is_no_trouble() -> None:
    async def work() -> None:
        """Do nothing."""

    async with run_in_background(work(), "work"):
        await asyncio.sleep(0)
