"""Tasks whose product is marked by the user: stored unchanged, and never given to a generative engine by AUTO."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from generator_service.domain.breaker import Outage, engine_breaker
from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.domain.routing import Routing, WaitPolicy
from generator_service.domain.task import NewTask, WaitReason
from generator_service.domain.task_options import Engine, TaskOptions
from tests.contract.store.conftest import OpenStore
from tests.support.store import MASK, StoreHarness, audit, new_task

HINTS = (
    Hint(region=Region(left=0.1, top=0.2, right=0.3, bottom=0.4), kind=HintKind.KEEP),
    Hint(region=Region(left=0.0, top=0.0, right=1.0, bottom=1 / 3), kind=HintKind.DROP),
)


def guided(**fields: Any) -> NewTask:
    new = new_task()
    return replace(new, options=TaskOptions(hints=HINTS), input=replace(new.input, mask=MASK), **fields)


async def test_hints_mask_and_source_are_read_as_they_were_stored(desk: StoreHarness) -> None:
    first = (await desk.store.enqueue(new_task())).task
    task = (await desk.store.enqueue(guided(source_task_id=first.task_id))).task

    read = await desk.store.get(task.task_id, "ann")

    assert (read.options.hints, read.input.mask, read.source_task_id) == (HINTS, MASK, first.task_id)
    assert (await desk.store.get(first.task_id, "ann")).source_task_id is None
    log = await audit(desk.store)
    assert [event.task.source_task_id for event in log] == [None, first.task_id]
    assert log[1].task.input.mask == MASK


async def test_auto_waits_for_no_generative_engine_with_them(open_store: OpenStore) -> None:
    desk = open_store(waits=WaitPolicy(routing=Routing(order=(Engine.GEMINI, Engine.LOCAL))))
    await desk.store.enqueue(guided())
    (task,) = await desk.claim()
    routing = Routing(order=(Engine.GEMINI, Engine.LOCAL))
    assert routing.of_task(task).route(Engine.AUTO, {}, desk.store.queue_time()).engine is Engine.LOCAL

    await desk.store.trip(
        Outage(
            reason=WaitReason.ENGINE_UNAVAILABLE,
            code="down",
            message="is down",
            dependency=engine_breaker(Engine.LOCAL),
            observed=True,
        )
    )
    waiting = (await desk.store.enqueue(guided())).task
    assert await desk.claim() == [], "Gemini is free, and must not get it"
    plain = (await desk.store.enqueue(new_task())).task
    assert [each.task_id for each in await desk.claim()] == [plain.task_id]
    assert waiting.task_id != plain.task_id
