"""Deletion: the row is removed with a numbered event; quota and idempotency keys are free again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from generator_service.domain.errors import LeaseLost, StorageQuotaExceeded, TaskNotFound
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import TaskState
from generator_service.store.contract import Retention
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import (
    MASK,
    PHOTO,
    RESULT,
    StoreHarness,
    audit_counters,
    new_task,
    read_log,
    stored_bytes,
    whole_snapshot,
)

DAY = timedelta(hours=24)


async def _log_of(desk: StoreHarness, task_id: int) -> Sequence[TaskEvent]:
    return [event for event in (await read_log(desk.store))[0] if event.task.task_id == task_id]


async def test_deleted_task_is_removed_and_its_log_ends_with_the_deletion(desk: StoreHarness) -> None:
    task = await desk.ended()
    at = desk.clock.advance(timedelta(seconds=5))
    deleted = await desk.store.delete_tasks([task.task_id], "ann")
    assert deleted.task_ids == [task.task_id]
    with pytest.raises(TaskNotFound):
        await desk.store.get(task.task_id, None)
    page = await desk.store.list_tasks("ann", states=(), before=None, skip=0, limit=10)
    assert (page.tasks, page.total) == ([], 0)
    assert (await whole_snapshot(desk.store)).tasks == []
    last = (await _log_of(desk, task.task_id))[-1]
    assert (last.type, last.seq, last.occurred_at) == (EventType.DELETED, task.seq + 1, at)
    assert (last.task.state, last.task.result, last.task.error and last.task.error.code) == (
        TaskState.CANCELLED,
        None,
        "deleted",
    )
    assert desk.commits.batches[-1] == [last], "and listeners of commits get the same event"


async def test_running_task_is_cancelled_first_and_its_late_result_refused(desk: StoreHarness) -> None:
    running = await desk.running()
    waiting = await desk.add()
    await desk.store.delete_tasks([running.task_id, waiting.task_id], "ann")
    for task in (running, waiting):
        assert [event.type for event in await _log_of(desk, task.task_id)][-2:] == [
            EventType.CANCELLED,
            EventType.DELETED,
        ]
    with pytest.raises(LeaseLost):
        await desk.store.complete(running.lease, RESULT)
    assert await desk.claim(limit=5) == []
    await audit_counters(desk.store, [])


async def test_tasks_of_others_and_unknown_ones_are_left_out(desk: StoreHarness) -> None:
    of_bob = await desk.add("bob")
    of_ann = await desk.add("ann")
    deleted = await desk.store.delete_tasks([of_bob.task_id, 999, of_ann.task_id, of_ann.task_id], "ann")
    assert deleted.task_ids == [of_ann.task_id]
    assert (await desk.store.get(of_bob.task_id, "bob")) == of_bob
    assert (await desk.store.delete_tasks([of_ann.task_id], "ann")).task_ids == [], "a second time changes nothing"
    assert (await desk.store.delete_tasks([of_bob.task_id], None)).task_ids == [of_bob.task_id], "None is any owner"


async def test_storage_quota_is_freed(open_store: OpenStore) -> None:
    desk = open_store(Limits(stored_bytes_per_user=PHOTO.size_bytes + RESULT.stored_bytes))
    task = await desk.ended()
    with pytest.raises(StorageQuotaExceeded):
        await desk.add()
    await desk.store.delete_tasks([task.task_id], None)
    assert await stored_bytes(desk.store) == {"ann": 0}
    await desk.add()


async def test_idempotency_key_is_free_after_the_deletion(desk: StoreHarness) -> None:
    first = (await desk.store.enqueue(new_task(key="k"))).task
    await desk.store.delete_tasks([first.task_id], "ann")
    again = await desk.store.enqueue(new_task(key="k", fingerprint="another"))
    assert (again.deduplicated, again.task.task_id > first.task_id) == (False, True)
    repeated = await desk.store.enqueue(new_task(key="k", fingerprint="another"))
    assert (repeated.deduplicated, repeated.task.task_id) == (True, again.task.task_id)


async def test_key_answered_with_a_stored_result_is_free_after_its_deletion(desk: StoreHarness) -> None:
    made = (await desk.store.enqueue(new_task(picture_key="p"))).task
    (claimed,) = await desk.claim()
    await desk.store.complete(claimed.lease, RESULT)
    assert (await desk.store.enqueue(new_task(key="k", picture_key="p", reuse=True))).reused
    await desk.store.delete_tasks([made.task_id], "ann")
    again = await desk.store.enqueue(new_task(key="k", picture_key="p", reuse=True))
    assert (again.reused, again.deduplicated) == (False, False)


async def test_one_batch_may_add_delete_and_add_again(desk: StoreHarness) -> None:
    known = (await desk.store.enqueue(new_task(key="k"))).task
    with desk.commits.held():
        first = asyncio.create_task(desk.store.enqueue(new_task("bob")))
        await desk.commits.stuck()
        deleting = asyncio.create_task(desk.store.delete_tasks([known.task_id], "ann"))
        adding = asyncio.create_task(desk.store.enqueue(new_task(key="k")))
        await asyncio.sleep(0)
    await first
    await deleting
    assert (await adding).task.task_id > known.task_id
    log = [event for event in (await read_log(desk.store))[0] if event.user_id == "ann"]
    assert [event.type for event in log] == [
        EventType.CREATED,
        EventType.CANCELLED,
        EventType.DELETED,
        EventType.CREATED,
    ]


async def test_images_to_remove_are_recorded_until_they_are_removed(desk: StoreHarness) -> None:
    photo = replace(PHOTO, mask=MASK)
    task = (await desk.store.enqueue(replace(new_task(), input=photo))).task
    (claimed,) = await desk.claim()
    await desk.store.complete(claimed.lease, RESULT)
    images = ["input/1", "mask/1", "result/1", "thumbnail/1"]
    assert (await desk.store.delete_tasks([task.task_id], "ann")).images == images
    assert sorted(await desk.store.image_deletions(limit=10)) == images
    await desk.store.end_image_deletions(images[:3])
    assert await desk.store.image_deletions(limit=10) == images[3:]


async def test_image_that_another_task_uses_is_kept(desk: StoreHarness) -> None:
    first, second = await desk.add(), await desk.add()
    assert first.input.blob == second.input.blob
    assert (await desk.store.delete_tasks([first.task_id], "ann")).images == []
    assert (await desk.store.delete_tasks([second.task_id], "ann")).images == [second.input.blob]


async def test_images_of_forgotten_tasks_are_recorded_too(desk: StoreHarness) -> None:
    task = await desk.ended()
    await desk.store.forget([task.task_id])
    assert set(await desk.store.image_deletions(limit=10)) == set(task.blobs)


async def test_ids_are_listed_highest_first_below_a_bound(desk: StoreHarness) -> None:
    ids = [(await desk.add()).task_id for _ in range(3)]
    await desk.add("bob")
    assert await desk.store.task_ids("ann", before=None, limit=2) == [ids[2], ids[1]]
    assert await desk.store.task_ids("ann", before=ids[1], limit=2) == [ids[0]]


async def test_user_who_deleted_everything_is_forgotten_a_day_later(desk: StoreHarness) -> None:
    kept = await desk.add("bob")
    task = await desk.add("ann")
    await desk.store.delete_tasks([task.task_id], "ann")
    retention = Retention(events_for=DAY, events_per_user=1000, tasks_for=30 * DAY)
    assert await desk.store.compact(retention) == 0
    assert [event.type for event in (await desk.store.user_events_after("ann", 0, limit=9)).events] == [
        EventType.CREATED,
        EventType.CANCELLED,
        EventType.DELETED,
    ], "every watcher can still resume"
    desk.clock.advance(DAY + timedelta(microseconds=1))
    assert await desk.store.compact(retention) == 3, "those of bob, who has a task, are few enough to stay"
    assert await stored_bytes(desk.store) == {"bob": kept.stored_bytes}
    back = await desk.add("ann")
    assert back.seq > 3, "no number is issued again"


async def test_deletion_survives_a_restart(open_store: OpenStore) -> None:
    desk = open_store()
    task = await desk.ended()
    await desk.store.delete_tasks([task.task_id], "ann")
    log, _ = await read_log(desk.store)
    again = open_store()
    assert (await read_log(again.store))[0] == log
    assert set(await again.store.image_deletions(limit=10)) == set(task.blobs)
