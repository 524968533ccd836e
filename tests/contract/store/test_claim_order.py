"""Tasks start in the order that is predicted from the log."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from generator_service.domain import claim_order
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Task
from generator_service.store.limits import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.tables import users
from generator_service.watch.queue_state import QueueState
from tests.contract.store.conftest import OpenStore
from tests.support.backends import BACKENDS, Backend
from tests.support.clock import SettableClock
from tests.support.store import LEASE, RESULT, StoreHarness, failure, new_task, read_log

ADD = st.tuples(st.just("add"), st.sampled_from(["ann", "bob", "cho", "dan"]), st.integers(-1, 1))
ACTS = st.lists(
    st.one_of(ADD, ADD, ADD, st.sampled_from([("claim",), ("complete",), ("retry later",), ("retry",), ("cancel",)])),
    max_size=30,
)


class Queue:
    """A store, and the queue state read from its log."""

    def __init__(self, store: SqlTaskStore, clock: SettableClock, slots: int, limits: Limits) -> None:
        self.store = store
        self.clock = clock
        self.slots = slots
        self.limits = limits
        self.running: deque[Task] = deque()

    async def act(self, act: tuple[Any, ...]) -> None:
        match act:
            case ("add", user, priority):
                await self.store.enqueue(new_task(user, priority=priority, max_attempts=9))
            case ("claim",):
                await self.claim()
            case ("complete",) if self.running:
                await self.store.complete(self.running.popleft().lease, RESULT)
            case ("retry later",) if self.running:
                await self.store.fail(self.running.popleft().lease, failure(retry_after=timedelta(hours=1)))
            case ("retry",) if self.running:
                await self.store.release(self.running.popleft().lease)
            case ("cancel",) if self.running:
                await self.store.cancel(self.running.popleft().task_id, None)

    async def claim(self) -> list[int]:
        """Claim tasks for the free slots."""
        free = self.slots - len(self.running)
        claimed = (await self.store.claim("w1", limit=free, lease_for=LEASE)).tasks if free else ()
        self.running.extend(claimed)
        return [task.task_id for task in claimed]

    async def state(self, *, loaded: bool) -> QueueState:
        """Return the queue's state from the whole log, or from a snapshot."""
        state = QueueState()
        if loaded:
            state.load(await self.store.unfinished())
        else:
            for event in (await read_log(self.store, page=100))[0]:
                assert state.apply(event)
        return state

    def predicted(self, state: QueueState) -> list[int]:
        """Return the predicted order of the tasks' starts."""
        limit = self.limits.running_per_user
        return list(state.predict(self._runnable, slots=self.slots, running_per_user=limit))

    def _runnable(self, task: Task) -> bool:
        return task.run_at is None or task.run_at <= self.clock.now()

    async def run_all(self) -> list[int]:
        """Run all runnable tasks, each ending in its turn; return the order of their starts."""
        started = await self.claim()
        while self.running:
            await self.act(("complete",))
            started += await self.claim()
        return started


async def check(queue: Queue, acts: list[tuple[Any, ...]], *, loaded: bool) -> None:
    """Predict after some operations, and run the queue; tasks end in the order that the prediction assumes."""
    for act in acts:
        await queue.act(act)
    state = await queue.state(loaded=loaded)
    predicted = queue.predicted(state)
    queue.running = deque(sorted(queue.running, key=lambda task: list(state.running).index(task.task_id)))
    assert predicted == await queue.run_all()


def test_the_predicted_order_is_the_order_of_starts(backend: Backend) -> None:
    few = backend.__class__ is not BACKENDS["sqlite"]

    @settings(max_examples=10 if few else 50, deadline=None)
    @given(
        acts=ACTS,
        slots=st.integers(1, 5),
        limit=st.integers(1, 3),
        credit=st.sampled_from([2, 100]),
        loaded=st.booleans(),
    )
    def predicted_is_actual(acts: list[tuple[Any, ...]], slots: int, limit: int, credit: int, loaded: bool) -> None:
        async def run() -> None:
            clock, limits = SettableClock(), Limits(running_per_user=limit)
            store = database.open(clock=clock, limits=limits, retry=RetryPolicy(), on_commit=lambda _: None)
            try:
                await check(Queue(store, clock, slots, limits), acts, loaded=loaded)
            finally:
                await store.close()

        before, claim_order.CREDIT = claim_order.CREDIT, credit
        try:
            with backend.database() as database:
                asyncio.run(run())
        finally:
            claim_order.CREDIT = before

    predicted_is_actual()


async def _in_order(desk: StoreHarness, count: int) -> list[str]:
    """Run tasks one after the other; return their users."""
    owners = []
    for _ in range(count):
        (task,) = await desk.claim()
        await desk.store.complete(task.lease, RESULT)
        owners.append(task.user_id)
    return owners


async def test_with_one_slot_a_late_user_is_next_and_then_takes_turns(desk: StoreHarness) -> None:
    for _ in range(15):
        await desk.add("ann")
    assert await _in_order(desk, 2) == ["ann", "ann"]
    for _ in range(3):
        await desk.add("bob")
    assert await _in_order(desk, 7) == ["bob", "ann", "bob", "ann", "bob", "ann", "ann"]


async def test_a_user_who_was_away_has_saved_up_one_turn_only(desk: StoreHarness) -> None:
    await desk.add("bob")
    assert await _in_order(desk, 1) == ["bob"]
    for _ in range(10):
        await desk.add("ann")
    assert await _in_order(desk, 5) == ["ann"] * 5
    for _ in range(3):
        await desk.add("bob")
    assert await _in_order(desk, 5) == ["bob", "ann", "bob", "ann", "bob"]


async def test_a_user_is_served_by_the_number_of_the_start_in_the_log(open_store: OpenStore) -> None:
    """Even when several processes claim at once."""
    desks = [open_store() for _ in range(3)]
    for number in range(30):
        await desks[0].add(f"user {number % 10}")

    async def work(desk: StoreHarness, owner: str) -> None:
        for _ in range(10):
            for task in await desk.claim(owner, limit=2):
                await desk.store.complete(task.lease, RESULT)

    await asyncio.gather(*(work(desk, f"w{number}") for number, desk in enumerate(desks)))
    store = desks[0].store
    log, _ = await read_log(store, page=100)
    served: Counter[str] = Counter()
    for number, event in enumerate((each for each in log if each.type is EventType.STARTED), start=1):
        served[event.user_id] = number
    rows = await store._read(lambda connection: connection.execute(select(users)).all())
    assert {row.user_id: row.served for row in rows} == served
    assert (await store.unfinished()).started == max(served.values())
