"""Our own service under load: bursts of tasks, and tasks at a steady pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.api import SECRET, Api, Watch, open_channel, submit_request, token
from tests.support.processes import ServiceProcess
from tools.benchmarks.cpu import cpu_seconds
from tools.benchmarks.photos import PHOTO
from whitebg.v1 import event_pb2, task_pb2

SLOTS = 64
USERS = 8
"""Tasks belong to that many users, so that no limit of one user slows them down."""
CALLS = 128
"""Submissions under way at once."""
OPTIONS = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)
SETTINGS = {
    "worker_slots": str(SLOTS),
    "running_per_user": str(SLOTS),
    "pending_per_user": "100000",
}


@dataclass(frozen=True)
class Burst:
    """What a burst took."""

    tasks: int
    seconds: float
    """From the first submission to the last task's terminal event at a watcher."""
    cpu_seconds: float
    """Of the service with its children."""


@contextmanager
def noop_service(data_dir: Path, **settings: str) -> Iterator[ServiceProcess]:
    """Run the service with an engine that takes no time."""
    process = ServiceProcess(data_dir, SECRET, module="tools.benchmarks.noop_service", **SETTINGS | settings)
    try:
        yield process
    finally:
        process.close()


async def burst(service: ServiceProcess, tasks: int, per_call: int = 1) -> Burst:
    """Submit so many tasks as fast as they are taken; return when a watcher has seen the end of each."""
    async with open_channel(service.target) as channel:
        apis = [Api(channel, f"user-{number}", token(f"user-{number}")) for number in range(USERS)]
        watcher = Api(channel, "watcher", token("watcher", scope="tasks service"))
        async with watcher.watch(all_users=True) as watch:
            seen = asyncio.create_task(_ended(watch, tasks))
            cpu, began = cpu_seconds(service.pid), time.perf_counter()
            calls = iter(range(0, tasks, per_call))

            async def submit() -> None:
                for number in calls:
                    api = apis[number // per_call % USERS]
                    if per_call == 1:
                        await api.submit(PHOTO, options=OPTIONS)
                    else:
                        requests = [submit_request(PHOTO, options=OPTIONS)] * min(per_call, tasks - number)
                        results = await api.submit_many(*requests)
                        assert all(each.HasField("submitted") for each in results)

            await asyncio.gather(*(submit() for _ in range(-(-CALLS // per_call))))
            await seen
            return Burst(tasks, time.perf_counter() - began, cpu_seconds(service.pid) - cpu)


async def _ended(watch: Watch, tasks: int) -> None:
    ended = 0
    while ended < tasks:
        for item in await watch.next():
            ended += item.event.type == event_pb2.EVENT_TYPE_COMPLETED


async def paced(service: ServiceProcess, tasks: int, per_second: float) -> tuple[list[float], float]:
    """Submit tasks at a pace; return the milliseconds from each call to the engine's start, and the seconds of all."""
    began: dict[int, float] = {}
    started: dict[int, float] = {}
    async with open_channel(service.target) as channel:
        apis = [Api(channel, f"user-{number}", token(f"user-{number}")) for number in range(USERS)]
        watcher = Api(channel, "watcher", token("watcher", scope="tasks service"))

        async def submit(number: int) -> None:
            at = time.time()
            task = await apis[number % USERS].submit(PHOTO, options=OPTIONS)
            began[task.task_id] = at

        async with watcher.watch(all_users=True) as watch:

            async def follow() -> None:
                ended = 0
                while ended < tasks:
                    for item in await watch.next():
                        if item.progress.stage.isdecimal():
                            started[item.progress.task_id] = int(item.progress.stage) / 1e6
                        ended += item.event.type == event_pb2.EVENT_TYPE_COMPLETED

            following = asyncio.create_task(follow())
            first = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for number in range(tasks):
                    if (ahead := number / per_second - (time.perf_counter() - first)) > 0:
                        # Not waiting for anything to happen: this is the pace.
                        await asyncio.sleep(ahead)
                    group.create_task(submit(number))
            await following
            took = time.perf_counter() - first
    # Progress may be replaced by the end of its task before the watcher reads it.
    return [(started[each] - at) * 1e3 for each, at in began.items() if each in started], took
