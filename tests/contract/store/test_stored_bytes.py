"""The bytes of each user's images are counted with the tasks, and limited."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text

from generator_service.domain.errors import QuotaExceeded, StorageQuotaExceeded
from generator_service.migrations.versions import v0008_stored_bytes
from generator_service.store.contract import Enqueued
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import MASK, PHOTO, RESULT, StoreHarness, failure, new_task, stored_bytes

IN, OUT = PHOTO.size_bytes, RESULT.size_bytes + RESULT.thumbnail_bytes


async def test_they_follow_the_tasks(desk: StoreHarness) -> None:
    done, failed, waiting = await desk.add(), await desk.add(), await desk.add()
    await desk.add("bob")
    assert await stored_bytes(desk.store) == {"ann": 3 * IN, "bob": IN}

    for task in await desk.claim(limit=4):
        if task.task_id == done.task_id:
            await desk.store.complete(task.lease, RESULT)
        elif task.task_id == failed.task_id:
            await desk.store.fail(task.lease, failure(retryable=False))
    assert await stored_bytes(desk.store) == {"ann": 3 * IN + OUT, "bob": IN}

    # One of these has not ended and one never existed: only deleted tasks count.
    await desk.store.forget([done.task_id, failed.task_id, waiting.task_id, 999])
    assert await stored_bytes(desk.store) == {"ann": IN, "bob": IN}


async def test_masks_are_counted_with_their_tasks(open_store: OpenStore) -> None:
    desk = open_store(Limits(stored_bytes_per_user=IN + MASK.size_bytes + OUT + 4))
    new = new_task()
    drawn = replace(new, input=replace(new.input, mask=MASK))
    task = (await desk.store.enqueue(drawn)).task
    assert await stored_bytes(desk.store) == {"ann": IN + MASK.size_bytes}

    (held,) = await desk.claim(limit=1)
    await desk.store.complete(held.lease, replace(RESULT, mask_blob="mask/2", mask_bytes=4))
    assert await stored_bytes(desk.store) == {"ann": IN + MASK.size_bytes + OUT + 4}
    with pytest.raises(StorageQuotaExceeded):
        await desk.add()

    await desk.store.forget([task.task_id])
    assert await stored_bytes(desk.store) == {}


async def test_a_photo_fits_and_its_mask_does_not(open_store: OpenStore) -> None:
    desk = open_store(Limits(stored_bytes_per_user=IN + MASK.size_bytes - 1))
    new = new_task()

    with pytest.raises(StorageQuotaExceeded):
        await desk.store.enqueue(replace(new, input=replace(new.input, mask=MASK)))

    await desk.store.enqueue(new)


async def test_a_photo_that_would_be_too_much_is_rejected_with_what_to_do(open_store: OpenStore) -> None:
    desk = open_store(Limits(stored_bytes_per_user=2 * IN))
    await desk.add()
    await desk.add()

    with pytest.raises(StorageQuotaExceeded, match="wait until older tasks are deleted"):
        await desk.add()

    await desk.add("bob")
    assert await stored_bytes(desk.store) == {"ann": 2 * IN, "bob": IN}


async def test_photos_of_the_same_moment_share_the_limit(open_store: OpenStore) -> None:
    desk = open_store(Limits(stored_bytes_per_user=3 * IN))

    outcomes = await asyncio.gather(*(desk.add() for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(outcome, StorageQuotaExceeded) for outcome in outcomes) == 5
    assert await stored_bytes(desk.store) == {"ann": 3 * IN}


async def test_room_is_told_before_the_photo_is_stored(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=2, stored_bytes_per_user=100))
    store = desk.store
    await store.require_room("ann", idempotency_key=None, size_bytes=100)
    with pytest.raises(StorageQuotaExceeded):
        await store.require_room("ann", idempotency_key=None, size_bytes=101)

    first: Enqueued = await store.enqueue(new_task(key="known"))
    await desk.add()

    assert first.task.user_id == "ann"
    with pytest.raises(QuotaExceeded):
        await store.require_room("ann", idempotency_key="new", size_bytes=1)
    await store.require_room("ann", idempotency_key="known", size_bytes=1000)


async def test_room_is_not_asked_for_where_a_key_stands_for_a_reused_task(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=1))
    await desk.store.enqueue(new_task(picture_key="k" * 64))
    (task,) = await desk.claim()
    await desk.store.complete(task.lease, RESULT)
    assert (await desk.store.enqueue(new_task(key="known", picture_key="k" * 64, reuse=True))).reused
    await desk.add()
    with pytest.raises(QuotaExceeded):
        await desk.store.require_room("ann", idempotency_key="new", size_bytes=1)

    await desk.store.require_room("ann", idempotency_key="known", size_bytes=1)


async def test_room_is_not_asked_for_where_all_pictures_are_there(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=1))
    await desk.store.enqueue(new_task(picture_key="k" * 64))
    (task,) = await desk.claim()
    await desk.store.complete(task.lease, RESULT)
    await desk.add()
    room = partial(desk.store.require_room, "ann", idempotency_key=None, size_bytes=1)

    await room(pictures=[("new", "k" * 64)])
    with pytest.raises(QuotaExceeded):
        await room(pictures=[("k" * 64,), ("new",)])


async def test_the_migration_counts_what_is_there(desk: StoreHarness) -> None:
    await desk.add()
    await desk.add("bob")
    (task,) = await desk.claim(limit=1)
    await desk.store.complete(task.lease, RESULT)
    counted = await stored_bytes(desk.store)

    with desk.store._writing.begin() as connection:
        connection.execute(text("ALTER TABLE users DROP COLUMN stored_bytes"))
        with Operations.context(MigrationContext.configure(connection)):
            v0008_stored_bytes.upgrade()

    assert await stored_bytes(desk.store) == counted == {"ann": IN + OUT, "bob": IN}
