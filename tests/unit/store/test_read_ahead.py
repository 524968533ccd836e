"""Pages handed from a thread to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from generator_service.domain.errors import SlowSnapshot
from generator_service.store import read_ahead
from generator_service.store.read_ahead import ReadAhead


class Pages:
    """Numbers from 0, and whether their reader has closed them."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self._most, self._error = most, error
        self.read = 0
        self.closed = False

    def __call__(self) -> Generator[int]:
        try:
            while self.read < self._most:
                self.read += 1
                yield self.read - 1
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


async def taken(ahead: ReadAhead[int]) -> list[int]:
    """Take all pages."""
    found = []
    while (page := await ahead.take()) is not None:
        found.append(page)
    return found


async def test_pages_arrive_in_order_however_few_may_wait() -> None:
    ahead, pages = ReadAhead[int](1), Pages(200)
    reading = asyncio.create_task(asyncio.to_thread(ahead.fill, pages()))
    assert await taken(ahead) == list(range(200))
    assert await ahead.take() is None
    await reading
    assert pages.closed


async def test_an_error_ends_the_pages_and_is_raised_by_their_reader() -> None:
    ahead, pages = ReadAhead[int](5), Pages(2, OSError("lost"))
    reading = asyncio.create_task(asyncio.to_thread(ahead.fill, pages()))
    assert await taken(ahead) in ([], [0], [0, 1])
    with pytest.raises(OSError, match="lost"):
        await reading


async def test_a_reader_ends_when_no_more_pages_are_wanted() -> None:
    ahead, pages = ReadAhead[int](1), Pages(200)
    reading = asyncio.create_task(asyncio.to_thread(ahead.fill, pages()))
    assert await ahead.take() == 0
    ahead.close()
    await reading
    assert pages.closed
    assert pages.read <= 3
    assert await ahead.take() is None


async def test_a_transaction_has_a_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "LONGEST_SECONDS", 0.0)
    ahead, pages = ReadAhead[int](5), Pages(200)
    with pytest.raises(SlowSnapshot):
        await asyncio.to_thread(ahead.fill, pages())
    assert pages.closed
    assert pages.read == 1


async def test_pages_that_are_not_taken_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "STALL_SECONDS", 0.01)
    ahead, pages = ReadAhead[int](5), Pages(200)
    with pytest.raises(SlowSnapshot):
        await asyncio.to_thread(ahead.fill, pages())
    assert pages.read == 6
    assert await ahead.take() is None
