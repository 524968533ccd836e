"""Batches: exactly one event when a closed batch has ended, by any path."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest
from sqlalchemy import update

from generator_service.domain.errors import BatchClosed, BatchNotFound
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.store.tables import batches, tasks
from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, StoreHarness, audit, new_task, read_log


async def _add(desk: StoreHarness, user: str = "ann", batch: str = "b", key: str | None = None) -> Task:
    return (await desk.store.enqueue(new_task(user, key=key, batch_id=batch))).task


async def _ends(desk: StoreHarness) -> list[TaskEvent]:
    return [event for event in (await read_log(desk.store))[0] if event.type is EventType.BATCH_FINISHED]


async def _complete_all(desk: StoreHarness) -> Collection[Task]:
    return [await desk.store.complete(task.lease, RESULT) for task in await desk.claim(limit=10)]


async def test_batch_ends_with_its_last_task_if_it_was_closed_before(desk: StoreHarness) -> None:
    for _ in range(3):
        await _add(desk)
    await _add(desk, "bob")
    await _add(desk, batch="other")
    await desk.store.close_batch("ann", "b")
    assert await _ends(desk) == []
    at = desk.clock.advance(timedelta(seconds=5))
    await _complete_all(desk)
    await _complete_all(desk)
    (end,) = await _ends(desk)
    assert end.batch is not None
    assert (end.user_id, end.batch.batch_id, end.batch.finished_at, end.occurred_at) == ("ann", "b", at, at)
    assert end.batch.counts == {TaskState.COMPLETED: 3}
    assert end.task == await desk.store.get(end.task.task_id, "ann"), "its carrier has the event's seq"
    assert (await desk.store.batch("ann", "b")) == end.batch
    assert any(end in events for events in desk.commits.batches)
    await audit(desk.store)


async def test_batch_ends_when_it_is_closed_after_its_last_task(desk: StoreHarness) -> None:
    task = await _add(desk)
    await desk.store.cancel(task.task_id, None)
    assert await _ends(desk) == []
    for _ in range(2):
        await desk.store.close_batch("ann", "b")
    (end,) = await _ends(desk)
    assert end.batch is not None
    assert end.batch.counts == {TaskState.CANCELLED: 1}
    assert end.task.state is TaskState.CANCELLED


async def test_closed_batch_takes_no_more_tasks_but_answers_known_keys(desk: StoreHarness) -> None:
    known = await _add(desk, key="k")
    await desk.store.close_batch("ann", "b")
    with pytest.raises(BatchClosed):
        await _add(desk)
    assert await _add(desk, key="k") == known
    assert (await _add(desk, "bob")).batch_id == "b", "another user's batch of the same name is another batch"


async def test_unknown_batch_is_not_found(desk: StoreHarness) -> None:
    await _add(desk, "bob")
    with pytest.raises(BatchNotFound):
        await desk.store.close_batch("ann", "b")
    with pytest.raises(BatchNotFound):
        await desk.store.batch("ann", "b")


async def test_deleting_the_last_unfinished_task_ends_the_batch(desk: StoreHarness) -> None:
    kept, deleted = await _add(desk), await _add(desk)
    await desk.store.cancel(kept.task_id, None)
    await desk.store.close_batch("ann", "b")
    await desk.store.delete_tasks([deleted.task_id], None)
    (end,) = await _ends(desk)
    assert (end.task.task_id, end.batch and end.batch.counts) == (kept.task_id, {TaskState.CANCELLED: 1})
    await desk.store.delete_tasks([kept.task_id], None)
    assert len(await _ends(desk)) == 1
    with pytest.raises(BatchNotFound):
        await desk.store.batch("ann", "b")
    assert (await _add(desk)).batch_id == "b", "the name is free again"


async def test_batch_that_is_deleted_as_a_whole_has_no_end(desk: StoreHarness) -> None:
    ids = [(await _add(desk)).task_id for _ in range(2)]
    await desk.store.close_batch("ann", "b")
    await desk.store.delete_tasks(ids, None)
    assert await _ends(desk) == []


async def test_tasks_of_a_batch_can_be_selected(desk: StoreHarness) -> None:
    first, _, third = await _add(desk), await desk.add(), await _add(desk)
    assert await desk.store.task_ids("ann", batch_id="b", before=None, limit=9) == [third.task_id, first.task_id]
    page = await desk.store.list_tasks("ann", states=(), before=None, skip=0, limit=9, batch_id="b")
    assert ([task.task_id for task in page.tasks], page.total) == ([third.task_id, first.task_id], 2)
    await desk.store.cancel_unfinished([first.task_id, third.task_id])
    await desk.store.cancel_unfinished([first.task_id, third.task_id])
    assert (await desk.store.batch("ann", "b")).counts == {TaskState.CANCELLED: 2}


async def test_end_of_a_batch_survives_a_restart(open_store: OpenStore) -> None:
    desk = open_store()
    await desk.store.cancel((await _add(desk)).task_id, None)
    await desk.store.close_batch("ann", "b")
    ends = await _ends(desk)
    assert len(ends) == 1
    assert await _ends(open_store()) == ends


async def test_batch_without_a_new_task_is_closed_and_ends(desk: StoreHarness) -> None:
    idle = timedelta(minutes=10)
    first = await _add(desk, batch="left")
    await _add(desk, "bob", batch="left")
    await _add(desk, batch="in-use")
    await _add(desk, batch="closed")
    await desk.store.close_batch("ann", "closed")
    desk.clock.advance(idle / 2)
    await _add(desk, batch="in-use")
    desk.clock.advance(idle / 2 + timedelta(seconds=1))
    assert await desk.store.close_idle_batches(idle) == 2
    assert await desk.store.close_idle_batches(idle) == 0
    closed = [(await desk.store.batch("ann", name)).closed for name in ("left", "in-use", "closed")]
    assert closed == [True, False, True]
    with pytest.raises(BatchClosed):
        await _add(desk, batch="left")
    assert await _ends(desk) == []
    await desk.store.cancel(first.task_id, None)
    assert [(end.user_id, end.batch and end.batch.batch_id) for end in await _ends(desk)] == [("ann", "left")]
    await audit(desk.store)


async def test_batches_that_an_older_release_left_are_settled(desk: StoreHarness) -> None:
    for name in ("ended", "under-way", "deleted"):
        await _add(desk, batch=name)
        await desk.store.close_batch("ann", name)

    def as_an_older_release(connection: object) -> None:
        ended = update(tasks).where(tasks.c.batch_id == "ended").values(state="cancelled", finished_at=desk.clock.now())
        connection.execute(ended)  # type: ignore[attr-defined]
        gone = update(tasks).where(tasks.c.batch_id == "deleted").values(batch_id=None)
        connection.execute(gone)  # type: ignore[attr-defined]

    await desk.store._write(lambda uow: as_an_older_release(uow._connection))
    assert await desk.store.settle_batches() == 2
    assert await desk.store.settle_batches() == 0
    assert [event.batch and event.batch.batch_id for event in await _ends(desk)] == ["ended"]
    rows = await desk.store._read(lambda connection: connection.execute(batches.select()).all())
    assert sorted(row.batch_id for row in rows) == ["ended", "under-way"]
