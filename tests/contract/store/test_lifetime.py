"""Opening, closing and overload of a store."""

from __future__ import annotations

import asyncio

import pytest

from generator_service.domain.errors import TaskNotFound
from generator_service.store import writer
from generator_service.store.writer import StoreBusy, StoreClosed
from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, audit, counters, whole_snapshot


async def test_a_database_opened_again_is_as_it_was_left(open_store: OpenStore) -> None:
    desk = open_store()
    await desk.ended("ann")
    held = await desk.running("bob")
    await desk.add("ann")
    log, counted = await audit(desk.store), await counters(desk.store)
    epoch = (await desk.store.latest_events(1)).head.epoch
    tasks = (await whole_snapshot(desk.store)).tasks
    await desk.store.close()

    again = open_store()
    assert await audit(again.store) == log
    assert await counters(again.store) == counted
    assert (await whole_snapshot(again.store)).tasks == tasks
    assert (await again.store.latest_events(1)).head.epoch == epoch
    assert (await again.store.complete(held.lease, RESULT)).seq == 3
    assert (await again.add("ann")).seq == 5


async def test_a_closed_store_takes_no_more_writes(open_store: OpenStore) -> None:
    desk = open_store()
    await desk.store.close()
    with pytest.raises(StoreClosed):
        await desk.add()
    await desk.store.close()


async def test_closing_finishes_what_is_queued(open_store: OpenStore) -> None:
    desk = open_store()
    with desk.commits.held():
        writing = [asyncio.create_task(desk.add(f"user {number}")) for number in range(10)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(desk.store.close())
        await asyncio.sleep(0)
    await closing
    assert {task.seq for task in await asyncio.gather(*writing)} == {1}
    assert len(await audit(open_store().store)) == 10


async def test_more_writes_than_it_may_hold_back_are_refused(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    desk = open_store()
    with desk.commits.held():
        first = asyncio.create_task(desk.add())
        await desk.commits.stuck()
        waiting = [asyncio.create_task(desk.add()) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy, match="3 writes are waiting"):
            await desk.add()
        # Meanwhile, reads succeed.
        with pytest.raises(TaskNotFound):
            await desk.store.get(999, None)
    await asyncio.gather(first, *waiting)
    assert len(await audit(desk.store)) == 4


async def test_the_first_to_find_a_log_that_lost_events_renews_its_epoch(open_store: OpenStore) -> None:
    desk = open_store()
    last = await desk.ended()
    epoch = (await desk.store.latest_events(1)).head.epoch
    await asyncio.gather(*(desk.store.renew_epoch(epoch) for _ in range(3)))
    head = (await desk.store.latest_events(1)).head
    assert head.epoch != epoch
    assert head.position == 3, "no event is lost by it"
    await desk.store.renew_epoch(epoch)
    assert (await desk.store.latest_events(1)).head == head, "that epoch is not the present one any more"
    # Ids that lost events may refer to are not reused.
    assert (await desk.add()).task_id > last.task_id + 1_000_000
