"""Waiting is not failing: snoozes, circuit breakers shared by all workers, and the deadline of a wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from generator_service.domain.breaker import BLOBS, Access, Condition, Outage, engine_breaker
from generator_service.domain.errors import LeaseLost
from generator_service.domain.event import EventType
from generator_service.domain.routing import Routing, WaitPolicy
from generator_service.domain.task import ResultInfo, Task, TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.contract import Beat
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, RESULT, StoreHarness, audit, failure, lease, new_task

GEMINI = engine_breaker(Engine.GEMINI)
WAITS = WaitPolicy(routing=Routing(order=(Engine.GEMINI, Engine.LOCAL)))
QUOTA = timedelta(seconds=40)
MADE_BY_GEMINI: ResultInfo = replace(RESULT, engine=Engine.GEMINI)


def outage(dependency: str | None = GEMINI, *, hint: timedelta | None = QUOTA, lasting: bool = False) -> Outage:
    return Outage(
        reason=WaitReason.STORE_UNAVAILABLE if dependency == BLOBS else WaitReason.RATE_LIMITED,
        code="rate_limited",
        message="Gemini's quota is used up",
        dependency=dependency,
        retry_after=hint,
        lasting=lasting,
    )


async def add(desk: StoreHarness, engine: Engine, user: str = "ann", **fields: object) -> Task:
    new = new_task(user)
    asked = replace(new, options=replace(new.options, engine=engine), **fields)  # type: ignore[arg-type]  # fields of it
    return (await desk.store.enqueue(asked)).task


@pytest.fixture
def desk(open_store: OpenStore) -> StoreHarness:
    return open_store(waits=WAITS)


async def test_a_snoozed_task_waits_with_its_reason_and_spends_no_attempt(desk: StoreHarness) -> None:
    await add(desk, Engine.GEMINI)
    for _ in range(9):
        (task,) = await desk.claim()
        waiting = await desk.store.snooze(task.lease, outage())
        assert (waiting.state, waiting.failures, waiting.attempt) == (TaskState.PENDING, 0, task.attempt)
        assert (waiting.wait_reason, waiting.stage) == (WaitReason.RATE_LIMITED, "waiting for Gemini's quota")
        assert waiting.run_at is not None
        assert waiting.run_at >= desk.clock.now() + QUOTA
        assert waiting.error is not None
        assert waiting.error.message == "Gemini's quota is used up"
        assert await desk.store.get(task.task_id, "ann") == waiting
        assert await desk.claim() == []
        desk.clock.advance(waiting.run_at - desk.clock.now())
    (task,) = await desk.claim()
    assert (task.attempt, task.wait_reason, task.error) == (10, None, None)
    done = await desk.store.complete(task.lease, MADE_BY_GEMINI)
    assert done.failures == 0
    log = await audit(desk.store)
    assert [event.type for event in log].count(EventType.SNOOZED) == 9


async def test_only_failures_count_against_the_attempts(desk: StoreHarness) -> None:
    await add(desk, Engine.LOCAL, max_attempts=2)
    for ends in (False, True):
        (task,) = await desk.claim()
        await desk.store.release(task.lease)
        (task,) = await desk.claim()
        after = await desk.store.fail(task.lease, failure())
        assert after.state is (TaskState.FAILED if ends else TaskState.PENDING)
        desk.clock.advance(timedelta(minutes=5))
    assert (after.failures, after.attempt) == (2, 4)


async def test_a_worker_that_lost_its_lease_can_not_snooze(desk: StoreHarness) -> None:
    await add(desk, Engine.GEMINI)
    (task,) = await desk.claim()
    with pytest.raises(LeaseLost):
        await desk.store.snooze(lease(task, owner="another"), outage())
    assert await desk.store.breakers() == {}


async def test_an_open_breaker_keeps_only_the_tasks_that_need_it_from_all_workers(open_store: OpenStore) -> None:
    desk, other = open_store(waits=WAITS), open_store(waits=WAITS)
    for engine in (Engine.GEMINI, Engine.AUTO, Engine.LOCAL):
        await add(desk, engine, engine.value)
    await desk.store.trip(outage())
    assert [task.user_id for task in await other.claim(limit=9)] == ["local"]
    await desk.store.trip(outage(lasting=True))
    assert [task.user_id for task in await other.claim(limit=9)] == ["auto"], "another engine does"
    assert await other.claim(limit=9) == []


async def test_an_open_image_store_keeps_all_tasks(desk: StoreHarness) -> None:
    for engine in (Engine.GEMINI, Engine.AUTO, Engine.LOCAL):
        await add(desk, engine, engine.value)
    await desk.store.trip(outage(BLOBS))
    assert await desk.claim(limit=9) == []
    desk.clock.advance(QUOTA)
    (probe,) = await desk.claim(limit=9)
    await desk.store.complete(probe.lease, RESULT)
    assert len(await desk.claim(limit=9)) == 2


async def test_a_half_open_breaker_is_probed_by_one_task_at_a_time(open_store: OpenStore) -> None:
    desks = [open_store(waits=WAITS) for _ in range(3)]
    desk = desks[0]
    for number in range(6):
        await add(desk, Engine.GEMINI, f"user {number}")
    await desk.store.trip(outage())
    desk.clock.advance(QUOTA)

    claims = await asyncio.gather(*(each.claim(f"w{n}", limit=5) for n, each in enumerate(desks)))
    (probe,) = [task for claimed in claims for task in claimed]
    breaker = (await desk.store.breakers())[GEMINI]
    assert (breaker.probe_task, breaker.condition(desk.clock.now())) == (probe.task_id, Condition.HALF_OPEN)

    again = await desk.store.snooze(probe.lease, outage())
    assert [await each.claim(limit=5) for each in desks] == [[], [], []], "the probe failed: open again"
    assert again.run_at is not None
    desk.clock.advance(again.run_at - desk.clock.now())
    claims = await asyncio.gather(*(each.claim(f"w{n}", limit=5) for n, each in enumerate(desks)))
    (probe,) = [task for claimed in claims for task in claimed]
    await desk.store.complete(probe.lease, MADE_BY_GEMINI)
    assert (await desk.store.breakers())[GEMINI].condition(desk.clock.now()) is Condition.CLOSED
    assert len(await desks[2].claim(limit=9)) == 5


async def test_a_claim_brings_the_breakers_as_it_left_them(desk: StoreHarness) -> None:
    await add(desk, Engine.GEMINI, "ann")
    await desk.store.trip(outage())
    blocked = await desk.store.claim("w1", limit=1, lease_for=LEASE)
    assert (blocked.tasks, blocked.breakers[GEMINI].condition(desk.clock.now())) == ([], Condition.OPEN)

    desk.clock.advance(QUOTA)
    probing = await desk.store.claim("w1", limit=1, lease_for=LEASE)

    (probe,) = probing.tasks
    assert probing.breakers == await desk.store.breakers()
    assert probing.breakers[GEMINI].access(desk.clock.now(), probe.task_id) is not Access.BLOCKED
    assert probing.breakers[GEMINI].access(desk.clock.now(), probe.task_id + 1) is Access.BLOCKED


@pytest.mark.parametrize("end", ["cancelled", "failed", "timed out", "released"])
async def test_a_probe_without_an_answer_makes_room_for_another(desk: StoreHarness, end: str) -> None:
    for number in range(2):
        await add(desk, Engine.GEMINI, f"user {number}")
    await desk.store.trip(outage())
    desk.clock.advance(QUOTA)
    (probe,) = await desk.claim(limit=2)
    match end:
        case "cancelled":
            await desk.store.cancel(probe.task_id, None)
        case "failed":
            await desk.store.fail(probe.lease, failure(retryable=False))
        case "timed out":
            await desk.store.time_out(probe.lease)
        case _:
            await desk.store.release(probe.lease)
    assert len(await desk.claim(limit=2)) == 1


async def test_a_probe_is_kept_by_its_heartbeats_and_lost_with_its_worker(desk: StoreHarness) -> None:
    for number in range(2):
        await add(desk, Engine.GEMINI, f"user {number}")
    await desk.store.trip(outage())
    desk.clock.advance(QUOTA)
    (probe,) = await desk.claim(limit=2)
    desk.clock.advance(LEASE - timedelta(seconds=1))
    await desk.store.heartbeat([Beat(probe.lease, 10, "sending")], lease_for=LEASE)
    desk.clock.advance(LEASE - timedelta(seconds=1))
    assert await desk.claim(limit=2) == []
    desk.clock.advance(timedelta(seconds=1))
    assert len(await desk.claim(limit=2)) == 1, "its worker is lost"


async def test_a_late_success_does_not_close_what_has_opened_since(desk: StoreHarness) -> None:
    for number in range(2):
        await add(desk, Engine.GEMINI, f"user {number}")
    early, late = await desk.claim(limit=2)
    desk.clock.advance(timedelta(seconds=1))
    await desk.store.snooze(late.lease, outage())
    await desk.store.complete(early.lease, MADE_BY_GEMINI)
    assert (await desk.store.breakers())[GEMINI].condition(desk.clock.now()) is Condition.OPEN


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "forward"])
async def test_a_probe_that_succeeds_closes_its_breaker_whatever_the_wall_clock_does(
    desk: StoreHarness, step: timedelta
) -> None:
    await add(desk, Engine.GEMINI, "ann")
    await desk.store.trip(outage())
    desk.clock.advance(QUOTA)
    (probe,) = await desk.claim()
    desk.clock.step(step)
    await desk.store.complete(probe.lease, MADE_BY_GEMINI)
    assert (await desk.store.breakers())[GEMINI].closed


async def test_breakers_outlive_a_restart(open_store: OpenStore) -> None:
    desk = open_store(waits=WAITS)
    breakers = await desk.store.trip(outage(lasting=True))
    await desk.store.close()
    assert await open_store(waits=WAITS).store.breakers() == breakers


async def test_a_wait_ends_at_the_deadline_with_its_cause(desk: StoreHarness) -> None:
    snoozed = await add(desk, Engine.GEMINI, "ann", deadline=timedelta(hours=2))
    (task,) = await desk.claim()
    await desk.store.snooze(task.lease, outage())
    fresh = await add(desk, Engine.GEMINI, "bob", deadline=timedelta(hours=2, seconds=1))
    desk.clock.advance(timedelta(hours=2) - timedelta(microseconds=1))
    assert await desk.store.end_overdue() == []
    desk.clock.advance(timedelta(microseconds=1))
    (ended,) = await desk.store.end_overdue()
    assert (ended.task_id, ended.state, ended.finished_at) == (snoozed.task_id, TaskState.FAILED, desk.clock.now())
    assert ended.error is not None
    assert (ended.error.code, ended.error.retryable) == ("deadline_exceeded", True)
    assert ended.error.message == "still waiting at its deadline; Gemini's quota is used up"
    desk.clock.advance(timedelta(seconds=1))
    (ended,) = await desk.store.end_overdue()
    assert ended.task_id == fresh.task_id
    await audit(desk.store)


async def test_a_task_that_runs_is_not_ended_at_the_deadline(desk: StoreHarness) -> None:
    await add(desk, Engine.LOCAL, deadline=timedelta(hours=2))
    (task,) = await desk.claim()
    desk.clock.advance(timedelta(hours=3))
    assert await desk.store.end_overdue() == []
    assert (await desk.store.complete(task.lease, RESULT)).state is TaskState.COMPLETED
