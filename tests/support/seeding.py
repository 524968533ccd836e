"""Many results in a database at once: copies of one that an engine has made."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import NewTask, Task
from generator_service.store.limits import Limits
from generator_service.store.sqlite import open_sqlite


async def copy_result(database: Path, user: str, count: int) -> None:
    """Add copies of a user's newest result, which share its images. No service may run on the database."""
    limits = Limits(pending_per_user=count, running_per_user=count)
    retry = RetryPolicy(random=random.Random(7))
    store = open_sqlite(database, clock=SystemClock(), limits=limits, retry=retry, on_commit=lambda _: None)
    try:
        (task,) = (await store.list_tasks(user, states=(), before=None, skip=0, limit=1)).tasks
        assert task.result is not None
        copies = [_copy_of(task, f"photo-{number:04}.jpg") for number in range(count)]
        await asyncio.gather(*map(store.enqueue, copies))  # together, so that many are stored with each commit
        claimed = await store.claim("seeding", limit=count, lease_for=timedelta(minutes=5))
        await asyncio.gather(*(store.complete(copy.lease, task.result) for copy in claimed.tasks))
    finally:
        await store.close()


def _copy_of(task: Task, filename: str) -> NewTask:
    return NewTask(
        user_id=task.user_id,
        options=task.options,
        input=replace(task.input, filename=filename),
        fingerprint="",
        timeout=timedelta(minutes=5),
        max_attempts=1,
    )
