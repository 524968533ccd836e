"""The limit on requests in memory, without a server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from generator_service.domain.errors import Overloaded
from generator_service.rpc.admission import Budget, Share

LARGEST = 10


async def hold(budget: Budget, user: str | None, granted: list[str], name: str, done: asyncio.Event) -> None:
    async with budget.share(user):
        granted.append(name)
        await done.wait()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_shares_are_granted_in_order_and_those_of_a_greedy_user_passed_by() -> None:
    budget = Budget(30, per_user=20, largest=LARGEST)
    granted: list[str] = []
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for name in ("a1", "a2", "a3", "b1", "b2"):
            group.create_task(hold(budget, name[0], granted, name, done))
            await turn()
        assert granted == ["a1", "a2", "b1"]
        assert budget.taken == 30
        done.set()
    assert granted == ["a1", "a2", "b1", "a3", "b2"]
    assert budget.taken == 0


async def test_what_a_call_does_not_need_is_given_back_at_once() -> None:
    budget = Budget(10, per_user=10, largest=LARGEST)
    async with budget.share("a") as share:
        budget.shrink(share, 2)
        assert budget.taken == 2
        waiting = asyncio.create_task(_share(budget, "b"))
        await turn()
        assert not waiting.done()
    await waiting
    assert budget.taken == 0


async def test_one_who_gives_up_waiting_takes_nothing() -> None:
    budget = Budget(10, per_user=10, largest=LARGEST)
    async with budget.share(None):
        waiting = asyncio.create_task(_share(budget, "b"))
        await turn()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert budget.taken == 10
    assert budget.taken == 0


async def test_more_than_may_wait_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator_service.rpc.admission.MAX_WAITING", 1)
    budget = Budget(10, per_user=10, largest=LARGEST)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(budget.share("a"))
        waiting = asyncio.create_task(_share(budget, "a"))
        await turn()
        with pytest.raises(Overloaded, match="try again"):
            await stack.enter_async_context(budget.share("b"))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_one_who_has_too_many_waiting_is_told_to_come_back_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generator_service.rpc.admission.MAX_WAITING_PER_USER", 2)
    budget = Budget(20, per_user=10, largest=LARGEST)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(budget.share("a"))
        waiting = [asyncio.create_task(_share(budget, "a")) for _ in range(2)]
        await turn()
        with pytest.raises(Overloaded, match="2 requests already wait"):
            await stack.enter_async_context(budget.share("a"))
        await stack.enter_async_context(budget.share("b"))
    assert len(await asyncio.gather(*waiting)) == 2


async def _share(budget: Budget, user: str) -> Share:
    async with budget.share(user) as share:
        return share
