"""The timer of a socket's writer: never too late, and not set again for each message."""

from __future__ import annotations

import asyncio

from ws_gateway.websocket.connection import _Alarm


async def test_an_earlier_time_replaces_a_later_one_and_a_later_one_changes_nothing() -> None:
    rung = asyncio.Event()
    alarm = _Alarm(rung.set)
    alarm.ring_after(3600)
    alarm.ring_after(0.01)
    alarm.ring_after(3600)
    async with asyncio.timeout(60):
        await rung.wait()


async def test_it_can_be_set_again_after_it_rang_and_is_silent_once_cancelled() -> None:
    rung = asyncio.Event()
    alarm = _Alarm(rung.set)
    for _ in range(2):
        alarm.ring_after(0)
        async with asyncio.timeout(60):
            await rung.wait()
        rung.clear()
    alarm.ring_after(0)
    alarm.cancel()
    later = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, later.set_result, None)
    await later
    assert not rung.is_set()
