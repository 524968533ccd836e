"""Fixtures for tests of engines: one pool per module, because its processes take half a second to start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from tests.support.fake_gemini import FakeGemini


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def job_pool() -> AsyncIterator[JobPool]:
    pool = JobPool(PoolSettings(processes=1))
    await pool.start()
    yield pool
    await pool.close()


@pytest_asyncio.fixture(loop_scope="module")
async def gemini_server() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as server:
        yield server
