"""Images live as long as their task; images without a task are deleted after a while."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from generator_service import image_store
from generator_service.blobs.contract import KINDS, BlobStore, new_key
from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.image_removal import ImageRemover
from generator_service.image_store import MARKER_KEY, ImageStoreGuard, Marker
from generator_service.store.limits import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite, renew_sqlite
from generator_service.worker import orphans
from generator_service.worker.maintenance import TaskReaper
from generator_service.worker.orphans import OrphanSweeper
from tests.support.store import LEASE, MASK, RESULT, new_task, whole_snapshot

DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)


class Later:
    """The current time plus an offset: the clocks of the stores themselves can't be set."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlTaskStore]:
    store = open_sqlite(
        tmp_path / "tasks.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    yield store
    await store.close()


async def put(blobs: BlobStore, *keys: str) -> None:
    await asyncio.gather(*(blobs.put(key, b"x", content_type="image/png") for key in keys))


async def left(blobs: BlobStore) -> set[str]:
    """Return the keys of all objects but the marker."""
    return {stored.key for stored in await blobs.list(after="", limit=1000)} - {MARKER_KEY}


async def completed(store: SqlTaskStore, blobs: BlobStore) -> set[str]:
    """Complete a task; return its images."""
    new = new_task()
    photo, drawn, result, thumbnail, mask = (new_key(kind) for kind in ("input", "mask", "result", "thumbnail", "mask"))
    await put(blobs, photo, drawn, result, thumbnail, mask)
    await store.enqueue(replace(new, input=replace(new.input, blob=photo, mask=replace(MASK, blob=drawn))))
    (task,) = (await store.claim("worker", limit=1, lease_for=LEASE)).tasks
    await store.complete(task.lease, replace(RESULT, blob=result, thumbnail_blob=thumbnail, mask_blob=mask))
    return {photo, drawn, result, thumbnail, mask}


async def sweep(store: SqlTaskStore, blobs: BlobStore, age: timedelta) -> None:
    """Sweep everything: from the random first key to the end, then from the beginning."""
    sweeper = OrphanSweeper(store, blobs, Later(age), ImageStoreGuard(store, blobs))
    await sweeper()
    await sweeper()


async def test_images_go_with_their_task(store: SqlTaskStore, blobs: BlobStore) -> None:
    guard = ImageStoreGuard(store, blobs)
    images = await completed(store, blobs)
    waiting = new_task()
    await put(blobs, "input/00/waiting")
    await store.enqueue(replace(waiting, input=replace(waiting.input, blob="input/00/waiting")))
    remover = ImageRemover(store, blobs, guard)
    await TaskReaper(store, remover, Later(29 * DAY), 30 * DAY, guard)()
    assert await left(blobs) == images | {"input/00/waiting"}
    await TaskReaper(store, remover, Later(31 * DAY), 30 * DAY, guard)()
    assert await left(blobs) == {"input/00/waiting"}
    assert not (await whole_snapshot(store, "ann")).tasks[1:]


async def test_sweep_marks_orphans_after_a_day_and_deletes_them_a_day_later(
    store: SqlTaskStore, blobs: BlobStore
) -> None:
    images = await completed(store, blobs)
    unnamed = {new_key(kind) for kind in KINDS for _ in range(3)}
    await put(blobs, *unnamed, "doctor/other")
    await sweep(store, blobs, DAY - MINUTE)
    assert not await store.orphan_marks(unnamed), "their tasks may still be written"
    await sweep(store, blobs, DAY + MINUTE)
    assert (await store.orphan_marks(unnamed | images)).keys() == unnamed
    await sweep(store, blobs, 2 * DAY - MINUTE)
    assert await left(blobs) == images | unnamed | {"doctor/other"}
    await sweep(store, blobs, 2 * DAY + 2 * MINUTE)
    assert await left(blobs) == images | {"doctor/other"}
    assert not await store.orphan_marks(unnamed)


async def test_sweep_takes_a_mark_back_when_a_task_names_the_image(store: SqlTaskStore, blobs: BlobStore) -> None:
    await completed(store, blobs)
    key = new_key("input")
    await put(blobs, key)
    await sweep(store, blobs, DAY + MINUTE)
    assert (await store.orphan_marks([key])).keys() == {key}
    new = new_task()
    await store.enqueue(replace(new, input=replace(new.input, blob=key)))
    await sweep(store, blobs, 3 * DAY)
    assert key in await left(blobs)
    assert not await store.orphan_marks([key])


async def test_sweep_covers_all_pages_from_any_first_key(
    store: SqlTaskStore, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "SWEEP_PAGE", 2)
    monkeypatch.setattr(orphans, "SWEEP_PAGES", 2)
    images = await completed(store, blobs)
    await put(blobs, *(new_key(kind) for kind in KINDS for _ in range(3)))
    deleted: list[int] = []
    guard = ImageStoreGuard(store, blobs)
    for age in (DAY + MINUTE, 3 * DAY):
        sweeper = OrphanSweeper(store, blobs, Later(age), guard, deleted.append)
        for _ in range(8):
            await sweeper()
    assert await left(blobs) == images
    assert sum(deleted) == 3 * len(KINDS)


@pytest.mark.parametrize("count", [1, 3, 30])
async def test_images_of_another_database_are_never_deleted(
    store: SqlTaskStore, blobs: BlobStore, count: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For every key that the sweep may start at, and for small pages."""
    monkeypatch.setattr(orphans, "SWEEP_PAGE", 7)
    others = {new_key("input") for _ in range(count)}
    await put(blobs, *others)
    for age in (2 * DAY, 4 * DAY):
        for _ in range(5):
            await sweep(store, blobs, age)
    assert await left(blobs) == others
    assert "holds no image that this database knows" in caplog.text


async def test_retention_deletes_nothing_in_the_image_store_of_another_database(
    store: SqlTaskStore, blobs: BlobStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A task of a copied database refers to images that the original still needs."""
    images = await completed(store, blobs)
    await blobs.put(MARKER_KEY, Marker("another", 5).encode(), content_type="application/json")
    guard = ImageStoreGuard(store, blobs)
    await TaskReaper(store, ImageRemover(store, blobs, guard), Later(31 * DAY), 30 * DAY, guard)()
    assert await left(blobs) == images
    assert (await whole_snapshot(store, "ann")).tasks
    assert "belongs to another database" in caplog.text


async def test_two_databases_cannot_both_bind_an_image_store(
    store: SqlTaskStore, blobs: BlobStore, tmp_path: Path
) -> None:
    assert await ImageStoreGuard(store, blobs).verified()
    other = open_sqlite(
        tmp_path / "other.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    guard = ImageStoreGuard(other, blobs)
    assert not await guard.verified()
    assert guard.problem is not None
    assert "adopt-images" in guard.problem
    await guard.adopt()
    assert await guard.verified()
    assert not await ImageStoreGuard(store, blobs).verified(), "only one of them may own it"
    await other.close()


async def test_existing_image_store_without_marker_is_bound_if_it_holds_an_image_of_a_task(
    store: SqlTaskStore, blobs: BlobStore
) -> None:
    """After an upgrade: the images exist, and no marker does yet."""
    await completed(store, blobs)
    await put(blobs, *(new_key("input") for _ in range(20)))
    assert await ImageStoreGuard(store, blobs).verified()


async def test_empty_image_store_is_not_bound_to_a_database_with_tasks(store: SqlTaskStore, blobs: BlobStore) -> None:
    """A share that is not mounted when a service first starts after an upgrade."""
    images = await completed(store, blobs)
    await blobs.delete(*images)
    guard = ImageStoreGuard(store, blobs)
    assert not await guard.verified()
    assert "is it mounted" in (guard.problem or "")
    assert not await left(blobs)
    assert await store.image_binding() is None


async def test_image_store_that_lost_its_marker_is_refused(store: SqlTaskStore, blobs: BlobStore) -> None:
    """An unmounted share looks like an empty folder."""
    await completed(store, blobs)
    guard = ImageStoreGuard(store, blobs)
    assert await guard.verified()
    await blobs.delete(MARKER_KEY)
    assert not await guard.verified()
    assert "is it mounted" in (guard.problem or "")
    await blobs.put(MARKER_KEY, b"{}", content_type="application/json")
    assert not await guard.verified()
    assert "is damaged" in (guard.problem or "")


async def test_binding_completes_after_a_crash_at_any_step(store: SqlTaskStore, blobs: BlobStore) -> None:
    bound = await store.propose_image_binding("ours")
    assert not bound.confirmed
    assert await ImageStoreGuard(store, blobs).verified(), "the marker was not written yet"
    bound_now = await store.image_binding()
    assert bound_now is not None
    assert (bound_now.id, bound_now.confirmed) == ("ours", True)


async def test_database_restored_from_a_backup_is_refused(
    store: SqlTaskStore, blobs: BlobStore, tmp_path: Path
) -> None:
    await completed(store, blobs)
    assert await ImageStoreGuard(store, blobs).verified()
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as source, closing(sqlite3.connect(tmp_path / "b.db")) as copy:
        source.backup(copy)
    await completed(store, blobs)
    assert await ImageStoreGuard(store, blobs).verified()

    def reopen() -> SqlTaskStore:
        return open_sqlite(
            tmp_path / "b.db", clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
        )

    backup = reopen()
    guard = ImageStoreGuard(backup, blobs)
    assert not await guard.verified(), "its log is older than the image store"
    assert "restored or copied" in (guard.problem or "")
    await backup.close()
    renew_sqlite(tmp_path / "b.db")
    backup = reopen()
    guard = ImageStoreGuard(backup, blobs)
    assert not await guard.verified()
    assert "belongs to another database" in (guard.problem or "")
    await guard.adopt()
    assert await guard.verified()
    await backup.close()


async def test_binding_that_another_process_makes_during_a_check_is_no_mismatch(
    store: SqlTaskStore, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = image_store.read_marker
    others = [ImageStoreGuard(store, blobs)]

    async def read_while_another_binds(blobs: BlobStore) -> Marker | None:
        marker = await read(blobs)
        while others:
            assert await others.pop().verified()
        return marker

    monkeypatch.setattr(image_store, "read_marker", read_while_another_binds)
    assert await ImageStoreGuard(store, blobs).verified()
