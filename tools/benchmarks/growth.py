"""What a database with many tasks costs: the first page of a list, a submission, a start of the service."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.api import Api, open_channel, token
from tools.benchmarks.photos import PHOTO
from tools.benchmarks.store import write_tasks
from tools.benchmarks.work import OPTIONS, noop_service, paced
from whitebg.v1.generator_service_pb2 import ListTasksRequest

USERS = 1000
"""All tasks belong to that many users, in turn."""
CALLS = 50


@dataclass(frozen=True)
class Grown:
    """What a service costs whose database holds so many tasks."""

    tasks: int
    started_s: float
    """From the start of the process until it serves."""
    list_ms: float
    """First page of a user's list, median."""
    submit_ms: float
    """A submission, median."""
    start_ms: float
    """From a submission to the start of the engine, median."""


async def growth(folder: Path, sizes: tuple[int, ...]) -> list[Grown]:
    """Measure a SQLite database as it grows to each of these numbers of tasks."""
    data_dir = folder / "growth"
    await asyncio.to_thread(data_dir.mkdir)
    with noop_service(data_dir):
        pass  # Binds the new folder of images: one without images is not accepted for a database with tasks.
    users = [f"user-{number}" for number in range(USERS)]
    written, found = 0, []
    for size in sizes:
        await write_tasks(data_dir / "whitebg.db", users, size - written)
        written = size
        found.append(await _measure(data_dir, size))
    return found


async def _measure(data_dir: Path, tasks: int) -> Grown:
    began = time.perf_counter()
    with noop_service(data_dir) as service:
        started = time.perf_counter() - began
        async with open_channel(service.target) as channel:
            api = Api(channel, "user-0", token("user-0"))
            listed = await _median_ms(lambda: api.stub.ListTasks(ListTasksRequest(page_size=50), metadata=api.metadata))
            submitted = await _median_ms(lambda: api.submit(PHOTO, options=OPTIONS))
        delays, _ = await paced(service, CALLS, 10.0)
    return Grown(tasks, started, listed, submitted, statistics.median(delays))


async def _median_ms(call: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)
