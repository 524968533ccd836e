"""The store alone, and a log to replay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import InputInfo, NewTask, ResultInfo
from generator_service.domain.task_options import Engine, OutputFormat, TaskOptions
from generator_service.store.contract import TaskStore
from generator_service.store.limits import Limits
from generator_service.store.sqlite import open_sqlite

LEASE = timedelta(minutes=5)
AT_ONCE = 250
"""Tasks written at once, which share commits."""
UNBOUNDED = Limits(pending_per_user=10**9, running_per_user=10**9)
RESULT = ResultInfo(
    engine=Engine.LOCAL,
    format=OutputFormat.PNG,
    width=1000,
    height=1000,
    size_bytes=1,
    sha256="0" * 64,
    fill=0.85,
    blob="result/00/0",
    thumbnail_blob="thumbnail/00/0",
    thumbnail_bytes=1,
)


def new_task(user_id: str) -> NewTask:
    """Return a request like a real one."""
    photo = InputInfo(
        filename="mug.jpg", format="JPEG", width=3000, height=2000, size_bytes=1, sha256="0" * 64, blob="input/00/0"
    )
    return NewTask(
        user_id=user_id,
        options=TaskOptions(),
        input=photo,
        fingerprint="0" * 64,
        timeout=timedelta(minutes=3),
        max_attempts=4,
    )


@asynccontextmanager
async def store_at(path: Path) -> AsyncIterator[TaskStore]:
    """Open a store with no other process on it."""
    store = open_sqlite(
        path,
        clock=SystemClock(),
        limits=UNBOUNDED,
        retry=RetryPolicy(base=timedelta(seconds=1), cap=timedelta(seconds=60)),
        on_commit=lambda _events: None,
    )
    try:
        yield store
    finally:
        await store.close()


async def transitions_per_second(path: Path, batch: int, seconds: float) -> float:
    """Process tasks from submission to completion, this many at once: three transitions each."""
    async with store_at(path) as store:
        return await transitions(store, batch, seconds)


async def transitions(store: TaskStore, batch: int, seconds: float, worker: str = "bench") -> float:
    """Process tasks for so long, this many at once; return the transitions per second."""
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        await asyncio.gather(*(store.enqueue(new_task(f"{worker}-{number}")) for number in range(batch)))
        claimed = (await store.claim(worker, limit=batch, lease_for=LEASE)).tasks
        await asyncio.gather(*(store.complete(task.lease, RESULT) for task in claimed))
        done += batch + 2 * len(claimed)
    return done / took


async def write_history(path: Path, user_id: str, events: int) -> None:
    """Write a log of this many events of one user: tasks submitted and cancelled."""
    await write_tasks(path, [user_id], events // 2)


async def write_tasks(path: Path, users: Sequence[str], count: int) -> None:
    """Write so many tasks of these users in turn, submitted and cancelled."""
    async with store_at(path) as store:
        for start in range(0, count, AT_ONCE):
            owners = [users[number % len(users)] for number in range(start, min(count, start + AT_ONCE))]
            made = await asyncio.gather(*(store.enqueue(new_task(owner)) for owner in owners))
            await asyncio.gather(*(store.cancel(each.task.task_id, each.task.user_id) for each in made))
