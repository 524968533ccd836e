"""The operators' overview: the queue by engine, running tasks and failures by code, at one moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from generator_service.domain.errors import EngineError
from generator_service.domain.task import Task
from generator_service.domain.task_options import Engine
from generator_service.store.admin_contract import EngineQueue, Overview
from tests.support.store import RESULT, StoreHarness, new_task

MINUTE = timedelta(minutes=1)


async def add(desk: StoreHarness, engine: Engine = Engine.LOCAL, **fields: object) -> Task:
    new = new_task("ann")
    asked = replace(new, options=replace(new.options, engine=engine), **fields)  # type: ignore[arg-type]  # fields of it
    return (await desk.store.enqueue(asked)).task


def failure(code: str, message: str = "") -> EngineError:
    return EngineError(code, message, retryable=False)


async def overview(desk: StoreHarness, ended: timedelta = 5 * MINUTE, failed: timedelta = 60 * MINUTE) -> Overview:
    now = desk.clock.now()
    return await desk.store.admin.overview(now=now, ended_from=now - ended, failures_from=now - failed)


async def test_empty_queue_has_no_engines(desk: StoreHarness) -> None:
    assert await overview(desk) == Overview(engines=[], running=[], failures=[], workers=[])


async def test_tasks_are_counted_by_engine(desk: StoreHarness) -> None:
    await add(desk)
    await add(desk)
    await add(desk, Engine.GEMINI)
    await add(desk, Engine.AUTO, delay=60 * MINUTE)
    (running,) = await desk.claim(limit=1)

    found = await overview(desk)

    counted = {each.engine: (each.pending, each.scheduled, each.running) for each in found.engines}
    assert counted == {Engine.AUTO: (0, 1, 0), Engine.LOCAL: (1, 0, 1), Engine.GEMINI: (1, 0, 0)}
    assert [task.task_id for task in found.running] == [running.task_id]
    assert found.running[0].lease_owner == running.lease_owner


async def test_ended_tasks_count_for_the_period_asked_for(desk: StoreHarness) -> None:
    await add(desk)
    await add(desk)
    first, second = await desk.claim(limit=2)
    await desk.store.complete(first.lease, RESULT)
    desk.clock.advance(10 * MINUTE)
    await desk.store.fail(second.lease, failure("image_unreadable"))

    assert (await overview(desk, ended=MINUTE)).engines == [EngineQueue(engine=Engine.LOCAL, failed=1)]
    assert (await overview(desk, ended=30 * MINUTE)).engines == [
        EngineQueue(engine=Engine.LOCAL, completed=1, failed=1)
    ]


async def test_failures_are_grouped_by_code_the_most_frequent_first(desk: StoreHarness) -> None:
    for code in ("rare", "frequent", "frequent"):
        await add(desk)
        (task,) = await desk.claim(limit=1)
        await desk.store.fail(task.lease, failure(code))
    desk.clock.advance(2 * MINUTE)
    await add(desk)
    (task,) = await desk.claim(limit=1)
    await desk.store.fail(task.lease, failure("rare", "the newest"))

    found = (await overview(desk)).failures
    assert [(each.code, each.count) for each in found] == [("rare", 2), ("frequent", 2)]
    assert (found[0].message, found[0].latest_at) == ("the newest", desk.clock.now())
    assert [(each.code, each.count) for each in (await overview(desk, failed=MINUTE)).failures] == [("rare", 1)]


async def test_oldest_task_of_an_engine_is_the_one_that_could_have_started_first(desk: StoreHarness) -> None:
    await add(desk)
    await add(desk, delay=MINUTE)
    await add(desk, Engine.GEMINI, delay=2 * MINUTE)
    await add(desk, Engine.NEURAL, delay=4 * MINUTE)
    desk.clock.advance(3 * MINUTE)

    oldest = {each.engine: each.oldest for each in (await overview(desk)).engines}

    assert oldest == {Engine.LOCAL: 3 * MINUTE, Engine.GEMINI: MINUTE, Engine.NEURAL: timedelta()}
