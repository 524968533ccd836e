"""How long images live: as long as their task, and not much longer where they have none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from generator_service import maintenance
from generator_service.blobs.contract import Blobs, new_key
from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.maintenance import OrphanSweeper, TaskReaper
from generator_service.store.contract import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from tests.support.store import LEASE, RESULT, new_task

DAY = timedelta(hours=24)


class Later:
    """The present, some time ahead: the places' own clocks can't be set."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlTaskStore]:
    store = open_sqlite(
        tmp_path / "tasks.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    yield store
    await store.close()


async def put(blobs: Blobs, *keys: str) -> None:
    await asyncio.gather(*(blobs.put(key, b"x", content_type="image/png") for key in keys))


async def left(blobs: Blobs) -> set[str]:
    return {stored.key for stored in await blobs.list(after="", limit=1000)}


async def completed(store: SqlTaskStore, blobs: Blobs) -> set[str]:
    """Take a task to its end; return its images."""
    new = new_task()
    photo, result, thumbnail = (new_key(kind) for kind in ("input", "result", "thumbnail"))
    await put(blobs, photo, result, thumbnail)
    await store.enqueue(replace(new, input=replace(new.input, blob=photo)))
    (task,) = await store.claim("worker", limit=1, lease_for=LEASE)
    await store.complete(task.lease, replace(RESULT, blob=result, thumbnail_blob=thumbnail))
    return {photo, result, thumbnail}


async def sweep(store: SqlTaskStore, blobs: Blobs, age: timedelta) -> None:
    """Look at everything: from where the sweep happens to begin to the end, then from the beginning."""
    sweeper = OrphanSweeper(store, blobs, Later(age))
    await sweeper()
    await sweeper()


async def test_images_go_with_their_task(store: SqlTaskStore, blobs: Blobs) -> None:
    images = await completed(store, blobs)
    waiting = new_task()
    await put(blobs, "input/00/waiting")
    await store.enqueue(replace(waiting, input=replace(waiting.input, blob="input/00/waiting")))
    await TaskReaper(store, blobs, Later(29 * DAY), 30 * DAY)()
    assert await left(blobs) == images | {"input/00/waiting"}
    await TaskReaper(store, blobs, Later(31 * DAY), 30 * DAY)()
    assert await left(blobs) == {"input/00/waiting"}
    assert not (await store.snapshot("ann")).tasks[1:]


async def test_what_no_task_names_goes_after_a_day(store: SqlTaskStore, blobs: Blobs) -> None:
    images = await completed(store, blobs)
    orphans = {new_key(kind) for kind in ("input", "result", "thumbnail") for _ in range(3)}
    await put(blobs, *orphans, "doctor/other")
    await sweep(store, blobs, DAY - timedelta(minutes=1))
    assert await left(blobs) == images | orphans | {"doctor/other"}, "their tasks may yet come"
    await sweep(store, blobs, DAY + timedelta(minutes=1))
    assert await left(blobs) == images | {"doctor/other"}


async def test_a_sweep_comes_around_page_by_page(
    store: SqlTaskStore, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "SWEEP_PAGE", 2)
    monkeypatch.setattr(maintenance, "SWEEP_PAGES", 2)
    images = await completed(store, blobs)
    await put(blobs, *(new_key(kind) for kind in ("input", "result", "thumbnail") for _ in range(3)))
    sweeper = OrphanSweeper(store, blobs, Later(2 * DAY))
    for _ in range(8):
        await sweeper()
    assert await left(blobs) == images


async def test_another_databases_images_are_left_alone(
    store: SqlTaskStore, blobs: Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that was pointed at the wrong database, or an empty one, must not empty the bucket."""
    others = {new_key("input") for _ in range(30)}
    await put(blobs, *others)
    with caplog.at_level(logging.ERROR):
        await sweep(store, blobs, 2 * DAY)
    assert await left(blobs) == others
    assert f"in the {blobs.where} are no task's" in caplog.text
