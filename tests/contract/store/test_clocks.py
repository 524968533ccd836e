"""A step of the wall clock neither delays a task nor takes one from a live worker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from generator_service.domain.event import EventType
from generator_service.domain.task import TaskState
from generator_service.store.contract import Beat
from tests.support.store import LEASE, RESULT, StoreHarness, audit, failure

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
async def test_tasks_are_claimed_at_once_and_in_their_order(desk: StoreHarness, step: timedelta) -> None:
    older = await desk.add("ann")
    desk.clock.step(step)
    newer = await desk.add("bob")
    assert older.run_at is None
    assert [task.task_id for task in await desk.claim(limit=2)] == [older.task_id, newer.task_id]


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
async def test_a_retry_waits_for_its_pause_and_no_longer(desk: StoreHarness, step: timedelta) -> None:
    task = await desk.running()
    await desk.store.fail(task.lease, failure(retry_after=timedelta(seconds=30)))
    desk.clock.step(step)
    desk.clock.advance(timedelta(seconds=29))
    assert await desk.claim() == []
    assert await desk.store.next_due(since=timedelta()) == timedelta(seconds=1)
    desk.clock.advance(timedelta(seconds=1))
    assert len(await desk.claim()) == 1


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
async def test_a_lease_lasts_as_long_as_it_should(desk: StoreHarness, step: timedelta) -> None:
    task = await desk.running()
    desk.clock.step(step)
    desk.clock.advance(LEASE / 2)
    assert await desk.store.requeue_expired() == []
    assert await desk.store.heartbeat([Beat(task.lease, 10, "matting")], lease_for=LEASE) == []
    desk.clock.step(-step)
    desk.clock.advance(LEASE - timedelta(seconds=1))
    assert await desk.store.requeue_expired() == []
    desk.clock.advance(timedelta(seconds=1))
    assert [each.task_id for each in await desk.store.requeue_expired()] == [task.task_id]


async def test_a_process_that_was_frozen_takes_nothing_from_itself(desk: StoreHarness) -> None:
    mine = await desk.running("ann", owner="w1", max_attempts=1)
    other = await desk.running("bob", owner="w2")
    for _ in range(2):
        desk.clock.advance(2 * LEASE)
        requeued = await desk.store.requeue_expired(alive=[Beat(mine.lease, 40, "matting")], lease_for=LEASE)
        assert {task.task_id for task in requeued} <= {other.task_id}
    assert (await desk.store.get(other.task_id, None)).state is TaskState.PENDING
    assert (await desk.store.get(mine.task_id, None)).progress == 40
    assert (await desk.store.complete(mine.lease, RESULT)).attempt == 1
    await audit(desk.store)


async def test_an_attempt_that_was_lost_before_is_not_prolonged(desk: StoreHarness) -> None:
    task = await desk.running()
    desk.clock.advance(LEASE)
    await desk.store.requeue_expired()
    (again,) = await desk.claim("w2")
    desk.clock.advance(LEASE)
    requeued = await desk.store.requeue_expired(alive=[Beat(task.lease, 0, "")], lease_for=LEASE)
    assert [each.task_id for each in requeued] == [again.task_id]


async def test_times_within_a_task_never_run_backwards(desk: StoreHarness) -> None:
    task = await desk.add()
    for act in ("start", "retry", "start", "complete"):
        desk.clock.step(-HOUR)
        desk.clock.advance(timedelta(seconds=1))
        if act == "start":
            (task,) = await desk.claim()
        elif act == "retry":
            await desk.store.release(task.lease)
        else:
            task = await desk.store.complete(task.lease, RESULT)
    assert task.started_at is not None
    assert task.finished_at is not None
    assert task.created_at <= task.started_at <= task.updated_at == task.finished_at
    log = await audit(desk.store)
    assert [event.occurred_at for event in log] == sorted(event.occurred_at for event in log)
    assert [event.type for event in log if event.type is not EventType.STARTED] == [
        EventType.CREATED,
        EventType.SNOOZED,
        EventType.COMPLETED,
    ]
