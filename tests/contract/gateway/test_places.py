"""Behaviour of every counter of open sockets."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.places import Backend, take


async def test_so_many_and_no_more(backend: Backend) -> None:
    async with backend.places(most=3) as places:
        taken = [await take(places) for _ in range(3)]
        assert len({place.name for place in taken}) == 3
        assert await places.take("ann") is None
        assert await places.take("ann") is None


async def test_each_user_has_their_own(backend: Backend) -> None:
    async with backend.places(most=1) as places:
        for user_id in ("ann", "bob", "a:b", "白底图", "a b\n", "x" * 255):
            await take(places, user_id)
            assert await places.take(user_id) is None


async def test_what_is_given_back_can_be_taken(backend: Backend) -> None:
    async with backend.places(most=2) as places:
        one, _ = await take(places), await take(places)
        await places.release(one)
        await take(places)
        assert await places.take("ann") is None


async def test_given_back_twice_counts_once(backend: Backend) -> None:
    async with backend.places(most=2) as places:
        one, _ = await take(places), await take(places)
        await places.release(one)
        await places.release(one)
        await take(places)
        assert await places.take("ann") is None


@pytest.mark.parametrize("most", [1, 7])
async def test_however_many_ask_at_once(backend: Backend, most: int) -> None:
    async with backend.places(most=most) as places:
        answers = await asyncio.gather(*(places.take("ann") for _ in range(40)))
        assert sum(place is not None for place in answers) == most


async def test_zero_is_any_number(backend: Backend) -> None:
    async with backend.places(most=0) as places:
        for _ in range(50):
            await take(places)
