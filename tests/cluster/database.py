"""The cluster's database, read without any of the processes under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import select

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.rpc.convert import messages
from generator_service.store.limits import Limits
from generator_service.store.postgres import open_postgres
from generator_service.store.sql import SqlTaskStore
from generator_service.store.tables import webhook_endpoints
from tests.support.store import read_log, whole_snapshot
from tools.chaos.recorder import logged
from tools.checker.history import Logged, Stored


@asynccontextmanager
async def opened_store(url: str) -> AsyncIterator[SqlTaskStore]:
    """Open the store while the block runs."""
    store = await asyncio.to_thread(
        open_postgres,
        url,
        clock=SystemClock(),
        limits=Limits(running_per_user=4),
        retry=RetryPolicy(),
        on_commit=lambda _: None,
    )
    try:
        yield store
    finally:
        await store.close()


async def logged_events(store: SqlTaskStore) -> Sequence[Logged]:
    """Read the whole log as records of the checker."""
    log, head = await read_log(store, page=1000)
    return [logged(messages.event(event, head.epoch)) for event in log]


async def stored_tasks(store: SqlTaskStore) -> Sequence[Stored]:
    """Read all tasks as records of the checker."""
    return [
        Stored(task_id=task.task_id, user=task.user_id, state=task.state.value, attempt=task.attempt, seq=task.seq)
        for task in (await whole_snapshot(store)).tasks
    ]


async def deliverer_pid(store: SqlTaskStore, url: str) -> int:
    """Return the process that delivers to a webhook endpoint now."""
    of_url = select(webhook_endpoints.c.claimed_by).where(webhook_endpoints.c.url == url)
    owner: str = await store._read(lambda connection: connection.execute(of_url).scalar_one())
    return int(owner.split(":")[-2])
