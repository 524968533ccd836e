"""The cost of a batch does not grow with its size: as many round trips for forty tasks as for four."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, StoreHarness, audit, new_task


@contextmanager
def _round_trips(desk: StoreHarness) -> Iterator[list[str]]:
    """Collect the statements that the writer sends to the database; many rows sent at once count as one."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(desk.store._writing, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(desk.store._writing, "before_cursor_execute", note)


async def _in_one_batch(desk: StoreHarness, writes: Sequence[Coroutine[Any, Any, Any]]) -> int:
    """Commit all writes in one transaction; return the number of round trips."""
    with desk.commits.held():
        first = asyncio.create_task(desk.add("first"))
        await desk.commits.stuck()
        batch = [asyncio.ensure_future(write) for write in writes]
        await asyncio.sleep(0)
        with _round_trips(desk) as sent:
            desk.commits.go_on()
            await asyncio.gather(first, *batch)
    await desk.store.cancel((await first).task_id, None)
    return len(sent)


async def _costs(desk: StoreHarness, size: int) -> tuple[int, int, int]:
    """Process this many tasks, each of another user; return the round trips of enqueuing, claiming and completing."""
    requests = [new_task(f"user {number}", key=f"{size} of {number}") for number in range(size)]
    enqueued = await _in_one_batch(desk, [desk.store.enqueue(new) for new in requests])
    with _round_trips(desk) as sent:
        tasks = await desk.claim(limit=size)
    assert len(tasks) == size
    completed = await _in_one_batch(desk, [desk.store.complete(task.lease, RESULT) for task in tasks])
    return enqueued, len(sent), completed


async def test_a_batch_costs_as_many_round_trips_however_much_it_carries(open_store: OpenStore) -> None:
    desk = open_store()
    few, many = await _costs(desk, 4), await _costs(desk, 40)
    assert few == many
    await audit(desk.store)


async def test_the_tasks_of_a_batch_are_counted_once_it_has_ended(open_store: OpenStore) -> None:
    desk = open_store()
    made = [await desk.store.enqueue(new_task("ann", batch_id="shoot")) for _ in range(3)]
    await desk.store.close_batch("ann", "shoot")
    counted = []
    for each in made:
        with _round_trips(desk) as sent:
            await desk.store.cancel(each.task.task_id, "ann")
        counted.append(any("count(*)" in statement for statement in sent))
    assert counted == [False, False, True]
    assert (await desk.store.batch("ann", "shoot")).finished_at is not None
