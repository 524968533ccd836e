"""How soon a user with many tasks sees the first of them, and all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.api import Api, open_channel, token
from tools.benchmarks.store import write_history
from tools.benchmarks.work import noop_service
from whitebg.v1.generator_service_pb2 import WatchTasksRequest


async def snapshot_times(data_dir: Path, tasks: int, rounds: int) -> list[tuple[float, float]]:
    """Read a snapshot of so many tasks; return the milliseconds to the first and to the last one, for each round."""
    await asyncio.to_thread(data_dir.mkdir)
    await write_history(data_dir / "whitebg.db", "many", 2 * tasks)
    found = []
    with noop_service(data_dir) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "many", token("many"))
            for _ in range(rounds):
                began, seen = time.perf_counter(), 0
                first = 0.0
                request = WatchTasksRequest(snapshot=True, stop_at_head=True)
                async for response in api.stub.WatchTasks(request, metadata=api.metadata):
                    seen += sum(item.HasField("snapshot_task") for item in response.items)
                    first = first or (time.perf_counter() - began if seen else 0.0)
                assert seen == tasks
                found.append((first * 1e3, (time.perf_counter() - began) * 1e3))
    return found
