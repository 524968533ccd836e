"""The meter of an attempt counts work per engine, without waits, and paid calls."""

from __future__ import annotations

import asyncio

from generator_service.domain.task_options import Engine
from generator_service.domain.usage import Usage
from generator_service.engines.metering import AttemptMeter, count_call, count_tokens
from generator_service.engines.work_timeout import WorkTimeout, waiting
from tests.support.virtual_time import run_in_virtual_time


def test_meter_counts_the_work_of_each_engine_without_waits() -> None:
    async def attempt() -> tuple[Usage, Usage]:
        meter = AttemptMeter()
        async with WorkTimeout(60) as clock:
            with meter.measuring(clock, on_call=lambda: None):
                await asyncio.sleep(1)  # reads the photo: the work of no engine
                meter.use(Engine.GEMINI)
                with waiting():
                    await asyncio.sleep(10)
                await asyncio.sleep(2)
                meter.use(Engine.LOCAL)
                await asyncio.sleep(3)
                during = meter.usage()
                await asyncio.sleep(1)
        await asyncio.sleep(5)  # stores the result
        return during, meter.usage()

    during, final = run_in_virtual_time(attempt())
    assert during == Usage(gemini_us=2_000_000, local_us=3_000_000)
    assert final == Usage(gemini_us=2_000_000, local_us=4_000_000)


def test_meter_counts_calls_as_they_begin_and_tokens_as_they_arrive() -> None:
    began: list[int] = []

    async def attempt() -> Usage:
        meter = AttemptMeter()
        async with WorkTimeout(60) as clock:
            with meter.measuring(clock, on_call=lambda: began.append(meter.usage().gemini_calls)):
                count_call()
                assert began == [1]
                count_tokens({"prompt": 7, "output": 1290, "thoughts": 20})
                await asyncio.create_task(_call())
        count_call()
        return meter.usage()

    async def _call() -> None:
        count_call()

    assert run_in_virtual_time(attempt()) == Usage(gemini_calls=2, gemini_input_tokens=7, gemini_output_tokens=1310)
    assert began == [1, 2]
