"""A store for each worker that runs in the test's process, and tasks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from generator_service.blobs.contract import new_key
from generator_service.blobs.local import LocalBlobStore
from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Task
from generator_service.store.limits import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from tests.support.store import new_task


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlTaskStore]:
    store = open_sqlite(
        tmp_path / "tasks.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    yield store
    await store.close()


async def submitted(store: SqlTaskStore, blobs: LocalBlobStore) -> Task:
    new = new_task()
    photo = replace(new.input, blob=new_key("input"))
    await blobs.put(photo.blob, b"photo", content_type="image/png")
    return (await store.enqueue(replace(new, input=photo))).task
