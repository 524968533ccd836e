"""Several tasks of one request: all or none, and images that they share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generator_service.domain.errors import BatchClosed, IdempotencyConflict, QuotaExceeded, TaskNotFound
from generator_service.domain.event import EventType
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import MASK, PHOTO, StoreHarness, audit, new_task, whole_snapshot


async def test_tasks_of_one_request_are_stored_together(desk: StoreHarness) -> None:
    news = [new_task(key=f"k{number}", batch_id="b", closes_batch=True) for number in range(3)]
    enqueued = await desk.store.enqueue_all(news)
    ids = [each.task.task_id for each in enqueued]
    assert len(set(ids)) == 3
    assert [event.type for event in desk.commits.batches[-1]] == [EventType.CREATED] * 3
    assert (await desk.store.batch("ann", "b")).closed
    with pytest.raises(BatchClosed):
        await desk.store.enqueue(new_task(batch_id="b"))
    again = await desk.store.enqueue_all(news)
    assert [(each.task.task_id, each.deduplicated) for each in again] == [(task_id, True) for task_id in ids]
    await audit(desk.store)


async def test_without_room_for_all_none_is_stored(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=3))
    await desk.add()
    with pytest.raises(QuotaExceeded):
        await desk.store.enqueue_all([new_task() for _ in range(3)])
    assert len((await whole_snapshot(desk.store, "ann")).tasks) == 1
    assert len(await desk.store.enqueue_all([new_task() for _ in range(2)])) == 2
    await audit(desk.store)


async def test_a_conflict_of_one_key_stores_none(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(key="k2"))
    with pytest.raises(IdempotencyConflict):
        await desk.store.enqueue_all([new_task(key="k1"), new_task(key="k2", fingerprint="another")])
    assert len((await whole_snapshot(desk.store, "ann")).tasks) == 1


async def test_missing_ones_are_stored_again(desk: StoreHarness) -> None:
    news = [new_task(key=f"k{number}") for number in range(2)]
    first, second = await desk.store.enqueue_all(news)
    await desk.store.delete_tasks([second.task.task_id], None)
    again = await desk.store.enqueue_all(news)
    assert [each.deduplicated for each in again] == [True, False]
    assert again[0].task == first.task


async def test_stored_photo_can_be_used_as_long_as_its_task_exists(desk: StoreHarness) -> None:
    source = (await desk.store.enqueue(replace(new_task(), input=replace(PHOTO, blob="input/shared")))).task
    version = replace(new_task(), input=source.input, source_task_id=source.task_id, shares_input=True)
    task = (await desk.store.enqueue(version)).task
    assert (await desk.store.delete_tasks([source.task_id], None)).images == []
    with pytest.raises(TaskNotFound):
        await desk.store.enqueue(version)
    assert (await desk.store.delete_tasks([task.task_id], None)).images == ["input/shared"]


async def test_small_photo_in_the_database_outlives_its_first_task(desk: StoreHarness) -> None:
    photo = replace(PHOTO, blob="inline/input/1", mask=replace(MASK, blob="inline/mask/1"))
    small = {"inline/input/1": b"photo", "inline/mask/1": b"mask"}
    news = [replace(new_task(), input=photo) for _ in range(3)]
    first, second, third = [each.task.task_id for each in await desk.store.enqueue_all(news, small)]
    await desk.store.delete_tasks([first, second], None)
    assert [await desk.store.inline_image(key) for key in small] == [b"photo", b"mask"]
    await desk.store.delete_tasks([third], None)
    assert [await desk.store.inline_image(key) for key in small] == [None, None]
