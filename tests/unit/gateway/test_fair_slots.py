"""Slots shared by many users."""

from __future__ import annotations

import asyncio

from tests.support.patience import PATIENCE
from ws_gateway.limits.fair_slots import FairSlots


async def test_one_user_can_not_hold_all_and_the_others_are_next() -> None:
    slots = FairSlots(total=3, per_user=2)
    order: list[str] = []
    releases = {name: asyncio.Event() for name in ("a1", "a2", "a3", "a4", "b1", "c1")}

    async def use(name: str) -> None:
        async with slots.slot(name[0]):
            order.append(name)
            await releases[name].wait()

    async with asyncio.TaskGroup() as group:
        for name in releases:
            group.create_task(use(name))
        await _turns()
        assert order == ["a1", "a2", "b1"]
        releases["a1"].set()
        await _turns()
        assert order[3:] == ["c1"]
        for release in releases.values():
            release.set()
    assert sorted(order) == sorted(releases)


async def test_one_who_gives_up_waiting_holds_nothing() -> None:
    slots = FairSlots(total=1, per_user=1)
    async with slots.slot("a"):
        waiting = asyncio.create_task(_hold(slots, "b"))
        await _turns()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        await _hold(slots, "c")


async def _hold(slots: FairSlots, user: str) -> None:
    async with slots.slot(user):
        pass


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
