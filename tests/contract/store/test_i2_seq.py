"""I2: ``seq`` numbers one user's events 1, 2, 3 … without a gap."""

from __future__ import annotations

import asyncio

from generator_service.domain.event import EventType
from generator_service.domain.task import TaskState
from tests.support.store import RESULT, StoreHarness, audit, failure


async def test_seqs_of_each_user_are_contiguous_under_concurrency(desk: StoreHarness) -> None:
    async def live(user: str, turn: int) -> None:
        task = await desk.add(user)
        if turn % 3 == 0:
            await desk.store.cancel(task.task_id, user)
        for claimed in await desk.claim(f"{user}-{turn}"):
            if turn % 2:
                await desk.store.complete(claimed.lease, RESULT)
            else:
                await desk.store.fail(claimed.lease, failure())

    users = ["ann", "bob", "cho"]
    await asyncio.gather(*(live(user, turn) for turn in range(12) for user in users))
    log = await audit(desk.store)
    for user in users:
        page = await desk.store.user_events_after(user, 0, limit=1000)
        assert list(page.events) == [event for event in log if event.user_id == user]
        assert page.head.position == len(page.events)


async def test_a_task_carries_the_seq_of_its_latest_event(desk: StoreHarness) -> None:
    first, second = await desk.add(), await desk.add()
    assert (first.seq, second.seq) == (1, 2)
    (started,) = await desk.claim()
    assert (started.task_id, started.seq) == (first.task_id, 3)
    assert (await desk.store.get(first.task_id, None)).seq == 3
    log = await audit(desk.store)
    assert [(event.type, event.seq) for event in log] == [
        (EventType.CREATED, 1),
        (EventType.CREATED, 2),
        (EventType.STARTED, 3),
    ]


async def test_a_page_ends_at_its_limit_and_at_the_revision_asked_for(desk: StoreHarness) -> None:
    for user in ("ann", "bob", "ann", "bob", "ann"):
        await desk.add(user)
    read = desk.store.user_events_after
    assert [event.revision for event in (await read("ann", 1, limit=10)).events] == [3, 5]
    assert [event.revision for event in (await read("ann", 0, limit=2)).events] == [1, 3]
    through = await read("ann", 0, limit=10, through=4)
    assert [event.revision for event in through.events] == [1, 3]
    assert through.head.position == 3


async def test_a_user_without_tasks_has_an_empty_log_of_the_same_epoch(desk: StoreHarness) -> None:
    await desk.add("ann")
    page = await desk.store.user_events_after("nobody", 0, limit=10)
    assert (page.events, page.head.position, page.head.compacted) == ([], 0, 0)
    assert page.head.epoch == (await desk.store.events_after(0, limit=1)).head.epoch


async def test_refused_operations_use_up_no_number(desk: StoreHarness) -> None:
    ended = await desk.ended()
    for _ in range(3):
        refusals = await asyncio.gather(
            desk.store.cancel(ended.task_id, "ann"),
            desk.store.cancel(ended.task_id, "bob"),
            desk.store.cancel(999, None),
            return_exceptions=True,
        )
        assert all(isinstance(refusal, Exception) for refusal in refusals)
    assert (await desk.add()).seq == ended.seq + 1
    assert (await desk.store.get(ended.task_id, "ann")).state is TaskState.COMPLETED
    await audit(desk.store)
