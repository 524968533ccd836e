"""A program that starts a pool, gives it a job that hangs, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

from generator_service.engines.pool.pool import PoolSettings, ProcessPool


async def main(fifo: str) -> None:
    settings = PoolSettings(processes=2)
    async with ProcessPool("tests.support.pool_jobs:perform", settings) as pool:
        print(await pool.run(("pid",), lambda _percent, _stage: None), flush=True)
        await pool.run(("hang", fifo), lambda _percent, _stage: None)


asyncio.run(main(sys.argv[1]))
