"""Which images tasks name: all that are needed, of whichever state, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from generator_service.store.queries import NAMED_BLOBS
from tests.support.store import RESULT, Desk, new_task

ALL = {f"{kind}/{number}" for kind in ("input", "result", "thumbnail") for number in range(4)}


async def test_the_images_of_every_task_are_named_until_it_is_forgotten(desk: Desk) -> None:
    assert not await desk.store.named_blobs(ALL)
    tasks = []
    for number in range(3):
        new = new_task("ann")
        tasks.append((await desk.store.enqueue(replace(new, input=replace(new.input, blob=f"input/{number}")))).task)
    assert {*await desk.store.named_blobs(ALL)} == {"input/0", "input/1", "input/2"}

    (held,) = await desk.claim(limit=1)
    done = replace(RESULT, blob="result/1", thumbnail_blob="thumbnail/2")
    await desk.store.complete(held.lease, done)
    await desk.store.cancel(tasks[1].task_id, "ann")
    expected = {"input/0", "input/1", "input/2", "result/1", "thumbnail/2"}
    assert {*await desk.store.named_blobs(ALL)} == expected
    assert {*await desk.store.named_blobs(["result/1", "result/2"])} == {"result/1"}
    assert not await desk.store.named_blobs([])

    await desk.store.forget([held.task_id])
    assert {*await desk.store.named_blobs(ALL)} == {"input/1", "input/2"}


async def test_a_thousand_keys_at_once(desk: Desk) -> None:
    await desk.add()
    keys = [f"input/{number}" for number in range(1000)]
    assert {*await desk.store.named_blobs(keys)} == {"input/1"}


@pytest.mark.parametrize("which", range(3))
async def test_they_are_found_by_an_index(desk: Desk, which: int) -> None:
    """Among millions of tasks, a look at each would take minutes."""
    with desk.store._reading.connect() as connection:
        statement = str(
            NAMED_BLOBS[which].params(keys=["a", "b"]).compile(connection, compile_kwargs={"literal_binds": True})
        )
        if connection.dialect.name == "postgresql":
            # Of an empty table, it would look at all of it.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            rows = connection.execute(text(f"EXPLAIN {statement}"))
        else:
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))
        plan = " ".join(str(row) for row in rows)
    assert ("ix_tasks_input_blob", "ix_tasks_result_blob", "ix_tasks_thumbnail_blob")[which] in plan, plan
