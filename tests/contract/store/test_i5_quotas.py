"""I5: the limits of running and of pending tasks per user hold under any number of workers."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from generator_service.domain.errors import QuotaExceeded
from generator_service.domain.event import EventType
from generator_service.domain.task import Task, TaskState
from generator_service.store.contract import Enqueued
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, RESULT, StoreHarness, audit, counters, failure, new_task


async def _most_running(desk: StoreHarness) -> Counter[str]:
    """Return each user's maximum of concurrently running tasks, in the whole history."""
    running: dict[int, str] = {}
    most: Counter[str] = Counter()
    for event in await audit(desk.store):
        if event.task.state is TaskState.PROCESSING:
            running[event.task.task_id] = event.user_id
        else:
            running.pop(event.task.task_id, None)
        now = Counter(running.values())
        most |= now
    return most


async def test_many_workers_never_run_more_of_one_user_than_allowed(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=100, running_per_user=2))
    for _ in range(15):
        await asyncio.gather(*(desk.add(user) for user in ("ann", "bob", "cho")))

    async def work(owner: str) -> None:
        while claimed := await desk.claim(owner, limit=3):
            for task in claimed:
                await desk.store.complete(task.lease, RESULT)

    await asyncio.gather(*(work(f"w{number}") for number in range(12)))
    # A worker stops when it finds nothing; one more takes the tasks that the last ones blocked for each other.
    await work("last")
    counts = (await desk.store.counts()).by_state
    assert counts == {TaskState.COMPLETED: 45}
    assert await _most_running(desk) == {"ann": 2, "bob": 2, "cho": 2}


async def test_claims_at_the_same_moment_share_one_quota(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=100, running_per_user=3))
    for _ in range(20):
        await desk.add()
    claims = await asyncio.gather(*(desk.claim(f"w{number}", limit=2) for number in range(10)))
    claimed = [task.task_id for claim in claims for task in claim]
    assert len(claimed) == len(set(claimed)) == 3
    assert await counters(desk.store) == {"ann": (17, 3)}


async def test_enqueuers_at_the_same_moment_share_one_quota(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=5, retry_after=timedelta(seconds=9)))
    outcomes = await asyncio.gather(
        *(desk.store.enqueue(new_task(user)) for _ in range(12) for user in ("ann", "bob")), return_exceptions=True
    )
    assert Counter(type(outcome) for outcome in outcomes) == {Enqueued: 10, QuotaExceeded: 14}
    refusal = next(outcome for outcome in outcomes if isinstance(outcome, QuotaExceeded))
    assert (refusal.limit, refusal.retry_after) == (5, timedelta(seconds=9))
    await audit(desk.store)


@pytest.mark.parametrize("way", ["claim", "cancel"])
async def test_a_task_that_waits_no_more_makes_room(open_store: OpenStore, way: str) -> None:
    desk = open_store(Limits(pending_per_user=1))
    task = await desk.add()
    with pytest.raises(QuotaExceeded):
        await desk.add()
    await (desk.claim() if way == "claim" else desk.store.cancel(task.task_id, None))
    assert (await desk.add()).state is TaskState.PENDING


async def _cancel(desk: StoreHarness, task: Task) -> None:
    await desk.store.cancel(task.task_id, None)


async def _fail(desk: StoreHarness, task: Task) -> None:
    await desk.store.fail(task.lease, failure(retryable=False))


async def _retry(desk: StoreHarness, task: Task) -> None:
    await desk.store.fail(task.lease, failure(retry_after=timedelta(hours=1)))


async def _expire(desk: StoreHarness, task: Task) -> None:
    desk.clock.advance(LEASE)
    await desk.store.requeue_expired()


async def _time_out(desk: StoreHarness, task: Task) -> None:
    await desk.store.time_out(task.lease)


@pytest.mark.parametrize("way", [_cancel, _fail, _retry, _expire, _time_out])
async def test_a_task_that_runs_no_more_frees_its_slot(open_store: OpenStore, way: object) -> None:
    desk = open_store(Limits(running_per_user=1))
    task = await desk.running()
    await desk.add()
    assert await desk.claim() == []
    assert callable(way)
    await way(desk, task)
    assert len(await desk.claim("w2", limit=5)) == 1
    await audit(desk.store)


async def test_what_returns_to_the_queue_is_never_refused(open_store: OpenStore) -> None:
    """The quota applies to submissions."""
    desk = open_store(Limits(pending_per_user=1))
    task = await desk.running()
    await desk.add()
    assert (await desk.store.release(task.lease)).state is TaskState.PENDING
    assert await counters(desk.store) == {"ann": (2, 0)}
    with pytest.raises(QuotaExceeded):
        await desk.add()
    assert [event.type for event in await audit(desk.store)][-1] is EventType.SNOOZED
