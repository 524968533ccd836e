"""The timeout that counts work but not waiting."""

from __future__ import annotations

import asyncio

import pytest

from generator_service.engines.work_timeout import WorkTimeout, waiting
from tests.support.virtual_time import run_in_virtual_time

LONG = 1000.0


def test_work_that_takes_too_long_is_cancelled() -> None:
    async def work() -> bool:
        with pytest.raises(TimeoutError):
            async with WorkTimeout(1.0) as timeout:
                await asyncio.sleep(LONG)
        return timeout.expired()

    assert run_in_virtual_time(work())


def test_waiting_does_not_count_and_work_before_it_does() -> None:
    async def work() -> None:
        async with WorkTimeout(3.0):
            await asyncio.sleep(1.0)
            with waiting():
                await asyncio.sleep(50.0)
                with waiting():
                    await asyncio.sleep(20.0)
                await asyncio.sleep(30.0)
            await asyncio.sleep(LONG)

    async def duration() -> float:
        with pytest.raises(TimeoutError):
            await work()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(duration()) == pytest.approx(103.0)


def test_a_wait_that_is_cancelled_lets_the_clock_go_on() -> None:
    async def work() -> None:
        async with WorkTimeout(1.0):
            try:
                with waiting():
                    await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                await asyncio.sleep(LONG)

    async def cancelled() -> float:
        task = asyncio.create_task(work())
        await asyncio.sleep(100.0)
        task.cancel()
        with pytest.raises((TimeoutError, asyncio.CancelledError)):
            await task
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(cancelled()) == pytest.approx(101.0)


def test_each_task_has_a_timeout_of_its_own() -> None:
    async def work(seconds: float) -> str:
        try:
            async with WorkTimeout(seconds):
                with waiting():
                    await asyncio.sleep(2.0)
                await asyncio.sleep(10.0)
        except TimeoutError:
            return "expired"
        return "done"

    async def both() -> list[str]:
        with waiting():
            await asyncio.sleep(1.0)  # outside of any timeout: nothing to stop
        return [*await asyncio.gather(work(1.0), work(LONG))]

    assert run_in_virtual_time(both()) == ["expired", "done"]
