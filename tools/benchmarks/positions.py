"""`python -m tools.benchmarks.positions`: the cost of queue positions for the service and for other updates.

The real service in this process, on SQLite, with the benchmark as its worker, and one watcher of all users, like a
gateway. There is no pass or fail: the figures are for comparing two states of the code on one machine.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tests.support.api import SECRET, open_channel, token
from tests.support.driven_service import DrivenService
from tests.support.store import LEASE, RESULT, new_task
from whitebg.v1.generator_service_pb2 import WatchTasksRequest
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub

if TYPE_CHECKING:
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub

SECONDS = 10.0
CHUNK = 500


@dataclass
class Seen:
    """What a watcher of all users received."""

    positions: int = 0
    by_user: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    """From a state change to its arrival, in ms."""


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[DrivenService]:
    """Run a service without a worker."""
    driven = DrivenService(folder, SECRET, pending_per_user=100_000)
    await driven.start()
    try:
        yield driven
    finally:
        await driven.stop()


async def fill(driven: DrivenService, tasks: int, users: int) -> None:
    """Queue this many tasks of this many users."""
    store = driven.running.parts.store
    for start in range(0, tasks, CHUNK):
        numbers = range(start, min(tasks, start + CHUNK))
        await asyncio.gather(*(store.enqueue(new_task(f"user {number % users}")) for number in numbers))


async def work(driven: DrivenService, per_second: float) -> None:
    """Start and complete tasks at a steady pace."""
    store = driven.running.parts.store
    next_at = time.monotonic()
    while True:
        # Not a wait for an event: this is the pace of the changes.
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        next_at += 1 / per_second
        for task in (await store.claim("bench", limit=1, lease_for=LEASE)).tasks:
            await store.complete(task.lease, RESULT)


async def change(driven: DrivenService, per_second: float) -> None:
    """Submit tasks and cancel them again, at this many changes a second."""
    store = driven.running.parts.store
    batch = 10
    next_at = time.monotonic()
    while True:
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        next_at += 2 * batch / per_second
        added = await asyncio.gather(*(store.enqueue(new_task("busy")) for _ in range(batch)))
        await asyncio.gather(*(store.cancel(each.task.task_id, None) for each in added))


async def watch(driven: DrivenService, seen: Seen) -> None:
    """Receive everything, as a gateway does."""
    async with open_channel(driven.target) as channel:
        stub: GeneratorServiceAsyncStub = cast("Any", GeneratorServiceStub(channel))
        metadata = (("authorization", f"Bearer {token('bench', scope='tasks service')}"),)
        async for response in stub.WatchTasks(WatchTasksRequest(all_users=True), metadata=metadata):
            now = time.time()
            for item in response.items:
                if item.HasField("progress") and item.progress.queue_position:
                    seen.positions += 1
                    seen.by_user[item.progress.user_id] += 1
                elif item.HasField("event"):
                    seen.delays.append((now - item.event.occurred_at.ToMicroseconds() / 1e6) * 1e3)


async def measure(driven: DrivenService, *acts: asyncio.Task[None]) -> tuple[Seen, float]:
    """Watch for a while; return the observations, and the CPU time of this thread in ms a second."""
    seen = Seen()
    watching = asyncio.create_task(watch(driven, seen))
    await asyncio.sleep(2)
    seen.positions = 0
    seen.by_user.clear()
    seen.delays.clear()
    began = time.thread_time()
    await asyncio.sleep(SECONDS)
    cpu = (time.thread_time() - began) / SECONDS * 1e3
    for act in (watching, *acts):
        act.cancel()
    await asyncio.gather(watching, *acts, return_exceptions=True)
    return seen, cpu


def show(name: str, seen: Seen, cpu: float) -> None:
    """Print one line."""
    delays = sorted(seen.delays)
    p50, p99 = statistics.median(delays), delays[int(len(delays) * 0.99)]
    most = max(seen.by_user.values(), default=0) / SECONDS
    print(
        f"{name}: {seen.positions / SECONDS:.0f} positions/s ({most:.0f} of one user), {cpu:.0f} ms of event loop a"
        f" second, change → watcher p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(delays)} changes)"
    )


async def main(folder: Path) -> None:
    """Measure an empty queue, 600 and 19,000 pending tasks, and 600 with 1,000 concurrent changes a second."""
    for name, tasks, users, per_second in (
        ("4 starts/s, none waiting", 0, 1, 0.0),
        ("4 starts/s, 600 of one user waiting", 600, 1, 0.0),
        ("4 starts/s, 19,000 of 190 users waiting", 19_000, 190, 0.0),
        ("1,000 changes/s, none waiting", 0, 1, 1000.0),
        ("1,000 changes/s, 600 of one user waiting", 600, 1, 1000.0),
        ("1,000 changes/s, 19,000 of 190 users waiting", 19_000, 190, 1000.0),
    ):
        scratch = folder / str(abs(hash(name)))
        scratch.mkdir()
        async with service(scratch) as driven:
            await fill(driven, tasks, users)
            acts = [asyncio.create_task(work(driven, 4.0))]
            if per_second:
                acts.append(asyncio.create_task(change(driven, per_second)))
            elif not tasks:
                acts.append(asyncio.create_task(change(driven, 8.0)))
            show(name, *await measure(driven, *acts))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="whitebg-bench-") as folder:
        asyncio.run(main(Path(folder)))
