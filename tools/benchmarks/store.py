"""The store alone, and a log to replay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Engine, InputInfo, NewTask, OutputFormat, ResultInfo, TaskOptions
from generator_service.store.contract import TaskStore
from generator_service.store.limits import Limits
from generator_service.store.sqlite import open_sqlite

LEASE = timedelta(minutes=5)
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
        done, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            await asyncio.gather(*(store.enqueue(new_task(f"user-{number}")) for number in range(batch)))
            claimed = await store.claim("bench", limit=batch, lease_for=LEASE)
            await asyncio.gather(*(store.complete(task.lease, RESULT) for task in claimed))
            done += 3 * batch
        return done / took


async def write_history(path: Path, user_id: str, events: int) -> None:
    """Write a log of this many events of one user: tasks submitted and cancelled."""
    async with store_at(path) as store:
        for _ in range(0, events, 500):
            made = await asyncio.gather(*(store.enqueue(new_task(user_id)) for _ in range(250)))
            await asyncio.gather(*(store.cancel(each.task.task_id, user_id) for each in made))
