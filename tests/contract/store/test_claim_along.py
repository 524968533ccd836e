"""Claims that ride along with the commit that makes a task runnable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from generator_service.domain.event import EventType
from generator_service.domain.task import Task, TaskState
from generator_service.store.contract import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, RESULT, Desk, audit, new_task


class Waiting:
    """A worker with free slots."""

    owner = "waiting"
    lease_for: timedelta = LEASE

    def __init__(self, free: int) -> None:
        self.free = free
        self.delivered: list[Task] = []

    def reserve(self) -> int:
        free, self.free = self.free, 0
        return free

    def deliver(self, tasks: Sequence[Task], reserved: int) -> None:
        self.free += reserved - len(tasks)
        self.delivered += tasks


async def settled(desk: Desk) -> None:
    """Wait until the writer is done with what came before: companions are told after the callers."""
    await desk.store.heartbeat((), lease_for=LEASE)


async def test_a_new_task_is_started_in_the_commit_that_stores_it(desk: Desk) -> None:
    waiting = Waiting(free=1)
    desk.store.claim_along(waiting)
    enqueued = await desk.store.enqueue(new_task())
    await settled(desk)
    (task,) = waiting.delivered
    assert enqueued.task.state is TaskState.PENDING
    assert (task.task_id, task.state, task.lease_owner) == (enqueued.task.task_id, TaskState.PROCESSING, "waiting")
    events = await audit(desk.store)
    assert [event.type for event in events] == [EventType.CREATED, EventType.STARTED]
    assert waiting.free == 0


async def test_a_worker_without_a_free_slot_gets_nothing(desk: Desk) -> None:
    waiting = Waiting(free=0)
    desk.store.claim_along(waiting)
    await desk.add()
    await settled(desk)
    assert not waiting.delivered
    assert len(await desk.claim()) == 1


async def test_quotas_hold_and_slots_that_find_no_task_are_free_again(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=100, running_per_user=1))
    waiting = Waiting(free=3)
    desk.store.claim_along(waiting)
    await asyncio.gather(*(desk.store.enqueue(new_task()) for _ in range(3)))
    await settled(desk)
    assert len(waiting.delivered) == 1
    assert waiting.free == 2
    await desk.store.complete(waiting.delivered[0].lease, RESULT)
    await settled(desk)
    assert len(waiting.delivered) == 2
    assert waiting.free == 1
    await audit(desk.store)


async def test_what_ails_a_companion_costs_nobody_else(desk: Desk) -> None:
    class Broken(Waiting):
        @property
        def owner(self) -> str:  # type: ignore[override]
            raise RuntimeError("the worker is beside itself")

    broken = Broken(free=2)
    desk.store.claim_along(broken)
    task = await desk.add()
    await settled(desk)
    assert task.state is TaskState.PENDING
    assert broken.free == 2
    assert [event.type for event in await audit(desk.store)] == [EventType.CREATED]
