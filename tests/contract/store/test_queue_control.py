"""Control of the queue: pauses, limits of engines over all workers, limits of users, priorities, scheduled starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from generator_service.domain.breaker import PAUSE, engine_breaker
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.errors import (
    EngineError,
    InvalidTransition,
    QuotaExceeded,
    StorageQuotaExceeded,
    TaskNotFound,
)
from generator_service.domain.event import EventType
from generator_service.domain.routing import Routing, WaitPolicy
from generator_service.domain.task import Task, TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.admin_contract import TaskFilter
from generator_service.store.limits import Limits, UserLimits
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.queue_state import QueueState
from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, StoreHarness, audit, failure, new_task, read_log

ROUTING = Routing(order=(Engine.GEMINI, Engine.LOCAL))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(open_store: OpenStore) -> StoreHarness:
    return open_store(waits=WaitPolicy(routing=ROUTING))


async def add(desk: StoreHarness, engine: Engine = Engine.LOCAL, user: str = "ann", **fields: object) -> Task:
    new = new_task(user)
    asked = replace(new, options=replace(new.options, engine=engine), **fields)  # type: ignore[arg-type]  # fields of it
    return (await desk.store.enqueue(asked)).task


async def view_of(desk: StoreHarness) -> QueueView:
    """Return the queue as a service shows it."""
    view = QueueView(desk.clock, 1, running_per_user=4, queue_time=desk.store.queue_time, routing=ROUTING)
    view.load(await desk.store.unfinished())
    view.take_breakers(await desk.store.breakers())
    view.take_user_limits(await desk.store.admin.user_limits())
    return view


async def test_pause_stops_all_claims_until_resumed(open_store: OpenStore) -> None:
    desk, other = open_store(), open_store()
    await add(desk)
    running = (await desk.claim())[0]
    task = await add(desk)
    await desk.store.admin.pause(None, note="maintenance until 9", lasts=None)
    assert await other.claim() == []
    assert not (await other.store.backlog()).runnable, "a paused queue counted as stalled"
    await desk.store.complete(running.lease, RESULT)

    view = await view_of(other)
    shown = view.present(task)
    assert (shown.wait_reason, shown.run_at, shown.stage) == (WaitReason.PAUSED, None, "paused")
    assert shown.error is not None
    assert shown.error.message == "maintenance until 9"
    assert (view.place(task.task_id), view.remaining(task)) == (0, None)
    assert view.oldest_waiting() == timedelta()

    await other.store.admin.resume(None)
    await other.store.admin.resume(None)
    assert [claimed.task_id for claimed in await desk.claim()] == [task.task_id]


async def test_pause_survives_a_restart_and_ends_at_its_time(open_store: OpenStore) -> None:
    desk = open_store()
    await add(desk)
    await desk.store.admin.pause(None, note="", lasts=MINUTE)
    desk = open_store()
    assert await desk.claim() == []
    assert (await desk.store.breakers())[PAUSE].reason is WaitReason.PAUSED
    desk.clock.advance(MINUTE)
    assert (await desk.store.backlog()).runnable
    assert len(await desk.claim()) == 1


async def test_pause_of_an_engine_lets_auto_use_the_next_one(desk: StoreHarness) -> None:
    local, gemini, auto = [await add(desk, each, each) for each in (Engine.LOCAL, Engine.GEMINI, Engine.AUTO)]
    await desk.store.admin.pause(Engine.GEMINI, note="", lasts=None)
    claimed = {task.task_id: task for task in await desk.claim(limit=9)}
    assert set(claimed) == {local.task_id, auto.task_id}
    assert claimed[auto.task_id].assigned_engine is Engine.LOCAL
    view = await view_of(desk)
    assert view.present(gemini).wait_reason is WaitReason.PAUSED
    await desk.store.complete(claimed[local.task_id].lease, RESULT)
    assert await desk.claim() == [], "a success ended the pause"
    await desk.store.admin.resume(Engine.GEMINI)
    assert [task.task_id for task in await desk.claim()] == [gemini.task_id]
    assert not [name for name, each in (await desk.store.breakers()).items() if not each.closed]
    assert engine_breaker(Engine.GEMINI) not in await desk.store.breakers()


async def test_concurrency_of_an_engine_holds_over_all_workers(open_store: OpenStore) -> None:
    desks = [open_store(waits=WaitPolicy(routing=ROUTING)) for _ in range(2)]
    await desks[0].store.admin.set_engine_limit(EngineLimit(engine=Engine.GEMINI, max_running=2))
    for number in range(4):
        await add(desks[0], Engine.GEMINI, f"user-{number}")
        await add(desks[0], Engine.AUTO, f"auto-{number}")
    local = await add(desks[0], Engine.LOCAL, "local")
    claimed = [*await desks[0].claim("w1", 9), *await desks[1].claim("w2", 9)]
    assert [task.assigned_engine for task in claimed].count(Engine.GEMINI) == 2
    assert [task.task_id for task in claimed if task.assigned_engine is Engine.LOCAL] == [local.task_id]
    assert not (await desks[1].store.backlog()).runnable, "tasks that an engine's limit holds back counted as stalled"
    await desks[0].store.complete(next(task for task in claimed if task.task_id != local.task_id).lease, RESULT)
    assert len(await desks[1].claim("w2", 9)) == 1
    await desks[1].store.admin.set_engine_limit(EngineLimit(engine=Engine.GEMINI))
    assert len(await desks[0].claim("w1", 20)) == 5
    assert await desks[0].store.admin.engine_limits() == {}


async def test_rate_of_an_engine_holds_over_all_workers(open_store: OpenStore) -> None:
    desks = [open_store(waits=WaitPolicy(routing=ROUTING)) for _ in range(2)]
    await desks[0].store.admin.set_engine_limit(EngineLimit(engine=Engine.GEMINI, per_minute=30))
    for number in range(40):
        await add(desks[0], Engine.GEMINI, f"user-{number}")
    started = 0
    for step in range(120):
        started += len(await desks[step % 2].claim(limit=9))
        desks[0].clock.advance(timedelta(seconds=0.5))
    assert 30 <= started <= 31


async def test_limits_of_a_user_replace_the_defaults(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=2, running_per_user=1))
    admin = desk.store.admin
    await admin.set_user_limits("ann", UserLimits(pending=3, running=2))
    for _ in range(3):
        await desk.add("ann")
    with pytest.raises(QuotaExceeded, match="3"):
        await desk.add("ann")
    with pytest.raises(QuotaExceeded):
        await desk.store.require_room("ann", idempotency_key=None, size_bytes=1)
    for _ in range(2):
        await desk.add("bob")
    with pytest.raises(QuotaExceeded, match="2"):
        await desk.add("bob")
    claimed = await desk.claim(limit=9)
    assert sorted(task.user_id for task in claimed) == ["ann", "ann", "bob"]
    await admin.set_user_limits("ann", UserLimits(stored_bytes=1))
    with pytest.raises(StorageQuotaExceeded):
        await desk.add("ann")
    assert {record.user_id: record.limits for record in await admin.users(after="", limit=9)} == {
        "ann": UserLimits(stored_bytes=1),
        "bob": UserLimits(),
    }
    await admin.set_user_limits("ann", UserLimits())
    assert await admin.user_limits() == {}
    assert [record.user_id for record in await admin.users(after="ann", limit=9)] == ["bob"]


async def test_priority_of_a_waiting_task_is_an_event_and_changes_the_order(desk: StoreHarness) -> None:
    first, second, third = [await desk.add("ann") for _ in range(3)]
    raised = await desk.store.admin.set_priority(third.task_id, 5)
    assert (raised.priority, raised.state, raised.seq) == (5, TaskState.PENDING, 4)
    assert await desk.store.admin.set_priority(third.task_id, 5) == raised, "nothing changed, but an event was written"
    log, _ = await read_log(desk.store)
    assert [event.type for event in log] == [EventType.CREATED] * 3 + [EventType.UPDATED]
    assert await desk.store.get(third.task_id, "ann") == raised

    folded, loaded = QueueState(), QueueState()
    for event in log:
        folded.apply(event)
    loaded.load(await desk.store.unfinished())
    orders = [[*state.predict(lambda _: True, slots=1, running_per_user=9)] for state in (folded, loaded)]
    expected = [third.task_id, first.task_id, second.task_id]
    assert orders == [expected, expected]
    assert [task.task_id for task in await desk.claim(limit=3)] == expected
    with pytest.raises(InvalidTransition):
        await desk.store.admin.set_priority(first.task_id, 1)
    with pytest.raises(TaskNotFound):
        await desk.store.admin.set_priority(10**9, 1)
    await audit(desk.store)


async def test_updated_events_are_told_from_snoozes_and_retries(desk: StoreHarness) -> None:
    await desk.add("ann")
    (task,) = await desk.claim()
    waiting = await desk.store.release(task.lease)
    updated = await desk.store.admin.set_priority(task.task_id, -3)
    assert (updated.wait_reason, updated.run_at) == (waiting.wait_reason, waiting.run_at)
    (task,) = await desk.claim()
    await desk.store.fail(task.lease, failure())
    await desk.store.admin.set_priority(task.task_id, 3)
    log, _ = await read_log(desk.store)
    kinds = [EventType.CREATED, EventType.STARTED, EventType.SNOOZED, EventType.UPDATED]
    assert [event.type for event in log] == [*kinds, EventType.STARTED, EventType.RETRYING, EventType.UPDATED]


async def test_ageing_lets_nothing_wait_forever(desk: StoreHarness) -> None:
    low = await desk.add("low", priority=-2)
    step, order = timedelta(minutes=10), list[int]()
    while low.task_id not in order and len(order) < 50:
        await desk.add("high", priority=2)
        await desk.store.admin.age_priorities(step)
        (task,) = await desk.claim()
        await desk.store.complete(task.lease, RESULT)
        order.append(task.task_id)
        desk.clock.advance(timedelta(minutes=5))
    # Four levels of ten minutes; the two users then take turns.
    assert order.index(low.task_id) in {8, 9}
    assert not await desk.store.admin.age_priorities(step)


async def test_scheduled_start_waits_for_its_time_and_its_deadline_counts_from_it(desk: StoreHarness) -> None:
    hour = timedelta(hours=1)
    task = await add(desk, delay=hour, deadline=MINUTE)
    assert (task.run_at, task.deadline) == (desk.store.queue_time() + hour, desk.store.queue_time() + hour + MINUTE)
    assert await desk.claim() == []
    assert (await view_of(desk)).place(task.task_id) == 0
    desk.clock.advance(hour)
    assert [claimed.task_id for claimed in await desk.claim()] == [task.task_id]
    late = await add(desk, delay=hour, deadline=MINUTE)
    desk.clock.advance(hour + MINUTE)
    assert [ended.task_id for ended in await desk.store.end_overdue()] == [late.task_id]


async def test_tasks_of_all_users_are_found_by_state_error_and_time(desk: StoreHarness) -> None:
    failed = []
    for user, code in (("ann", "engine_crashed"), ("bob", "image_truncated")):
        await desk.add(user)
        (task,) = await desk.claim()
        failed.append(await desk.store.fail(task.lease, EngineError(code, "is broken", retryable=False)))
    desk.clock.advance(MINUTE)
    waiting = await add(desk, Engine.GEMINI, "ann")
    find = desk.store.admin.find_tasks
    assert (await find(TaskFilter(), before=None, limit=9)).tasks == [waiting, *reversed(failed)]
    page = await find(TaskFilter(states=[TaskState.FAILED]), before=None, limit=1)
    assert (page.tasks, page.total, page.has_more) == ([failed[1]], 2, True)
    page = await find(TaskFilter(states=[TaskState.FAILED]), before=failed[1].task_id, limit=1)
    assert (page.tasks, page.has_more) == ([failed[0]], False)
    for wanted, expected in (
        (TaskFilter(error_codes=["engine_crashed"]), [failed[0]]),
        (TaskFilter(user_id="bob"), [failed[1]]),
        (TaskFilter(engine=Engine.GEMINI), [waiting]),
        (TaskFilter(created_from=waiting.created_at), [waiting]),
        (TaskFilter(created_before=waiting.created_at, user_id="ann"), [failed[0]]),
        (TaskFilter(states=[TaskState.CANCELLED]), []),
    ):
        assert (await find(wanted, before=None, limit=9)).tasks == expected


async def test_purging_a_user_deletes_events_but_waits_for_tasks(desk: StoreHarness) -> None:
    task = await desk.add("ann")
    await desk.add("bob")
    await desk.store.admin.set_user_limits("ann", UserLimits(running=2))
    assert not await desk.store.admin.purge_user("ann")
    assert (await desk.store.user_events_after("ann", 0, limit=9)).events
    assert await desk.store.admin.user_limits() == {}
    await desk.store.delete_tasks([task.task_id], "ann")
    assert await desk.store.admin.purge_user("ann")
    assert not (await desk.store.user_events_after("ann", 0, limit=9)).events
    assert [record.user_id for record in await desk.store.admin.users(after="", limit=9)] == ["bob"]
    assert await desk.store.admin.purge_user("nobody")
    assert [record.user_id for record in await desk.store.admin.users(after="", limit=9)] == ["bob"]
    back = await desk.add("ann")
    assert back.seq > task.seq, "a number of the deleted user was given out again"
