"""Claims within the commit that makes a task runnable."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from generator_service.domain.event import EventType
from generator_service.domain.task import Task, TaskState
from generator_service.store.contract import Claimed
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, RESULT, StoreHarness, audit, new_task


class Waiting:
    """A worker with free slots."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.delivered: list[Task] = []

    def reserve(self) -> int:
        free, self.free = self.free, 0
        return free

    def deliver(self, claimed: Claimed, reserved: int) -> None:
        self.free += reserved - len(claimed.tasks)
        self.delivered += claimed.tasks


def claim_for(desk: StoreHarness, worker: Waiting) -> None:
    desk.store.claim_within_commits(worker, owner="waiting", lease_for=LEASE)


async def settled(desk: StoreHarness) -> None:
    """Wait until the writer has finished all earlier writes."""
    await desk.store.heartbeat((), lease_for=LEASE)


async def test_a_new_task_is_started_in_the_commit_that_stores_it(desk: StoreHarness) -> None:
    waiting = Waiting(free=1)
    claim_for(desk, waiting)
    enqueued = await desk.store.enqueue(new_task())
    await settled(desk)
    (task,) = waiting.delivered
    assert enqueued.task.state is TaskState.PENDING
    assert (task.task_id, task.state, task.lease_owner) == (enqueued.task.task_id, TaskState.PROCESSING, "waiting")
    events = await audit(desk.store)
    assert [event.type for event in events] == [EventType.CREATED, EventType.STARTED]
    assert waiting.free == 0


async def test_a_worker_without_a_free_slot_gets_nothing(desk: StoreHarness) -> None:
    waiting = Waiting(free=0)
    claim_for(desk, waiting)
    await desk.add()
    await settled(desk)
    assert not waiting.delivered
    assert len(await desk.claim()) == 1


async def test_quotas_hold_and_slots_that_find_no_task_are_free_again(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=100, running_per_user=1))
    waiting = Waiting(free=3)
    claim_for(desk, waiting)
    await asyncio.gather(*(desk.store.enqueue(new_task()) for _ in range(3)))
    await settled(desk)
    assert len(waiting.delivered) == 1
    assert waiting.free == 2
    await desk.store.complete(waiting.delivered[0].lease, RESULT)
    await settled(desk)
    assert len(waiting.delivered) == 2
    assert waiting.free == 1
    await audit(desk.store)


async def test_a_claim_that_fails_affects_no_caller_and_releases_its_slots(desk: StoreHarness) -> None:
    waiting = Waiting(free=2)
    desk.store.claim_within_commits(waiting, owner="waiting", lease_for=timedelta.max)  # No such time can be stored.
    task = await desk.add()
    await settled(desk)
    assert task.state is TaskState.PENDING
    assert (waiting.free, waiting.delivered) == (2, [])
    assert [event.type for event in await audit(desk.store)] == [EventType.CREATED]
