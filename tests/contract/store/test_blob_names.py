"""The images that tasks refer to: every needed one, for tasks in any state, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from generator_service.store.statements import NAMED_BLOBS
from tests.support.store import MASK, RESULT, StoreHarness, new_task

ALL = {f"{kind}/{number}" for kind in ("input", "mask", "result", "thumbnail") for number in range(4)}


async def test_the_images_of_every_task_are_named_until_it_is_forgotten(desk: StoreHarness) -> None:
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


async def test_a_thousand_keys_at_once(desk: StoreHarness) -> None:
    await desk.add()
    keys = [f"input/{number}" for number in range(1000)]
    assert {*await desk.store.named_blobs(keys)} == {"input/1"}


async def test_masks_are_named_with_their_photo_and_with_their_result(desk: StoreHarness) -> None:
    new = new_task()
    drawn = replace(new.input, mask=replace(MASK, blob="mask/0"))
    await desk.store.enqueue(replace(new, input=drawn))
    assert {*await desk.store.named_blobs(ALL)} == {"input/1", "mask/0"}

    (held,) = await desk.claim(limit=1)
    await desk.store.complete(held.lease, replace(RESULT, mask_blob="mask/1", mask_bytes=4))
    assert {*await desk.store.named_blobs(ALL)} == {"input/1", "mask/0", "result/1", "thumbnail/1", "mask/1"}

    await desk.store.forget([held.task_id])
    assert not await desk.store.named_blobs(ALL)


INDEXES = (
    "ix_tasks_input_blob",
    "ix_tasks_result_blob",
    "ix_tasks_thumbnail_blob",
    "ix_tasks_input_mask_blob",
    "ix_tasks_result_mask_blob",
)


def test_every_kind_of_name_has_its_index() -> None:
    assert len(INDEXES) == len(NAMED_BLOBS)


@pytest.mark.parametrize("which", range(len(INDEXES)))
async def test_they_are_found_by_an_index(desk: StoreHarness, which: int) -> None:
    """Among millions of tasks, a full scan would take minutes."""
    for number in range(40):
        mask = replace(MASK, blob=f"mask/in-{number}")
        new = new_task()
        await desk.store.enqueue(replace(new, input=replace(new.input, blob=f"input/{number}", mask=mask)))
    for held in await desk.claim(limit=40):
        number = held.task_id
        done = replace(RESULT, blob=f"result/{number}", thumbnail_blob=f"thumbnail/{number}", mask_bytes=4)
        await desk.store.complete(held.lease, replace(done, mask_blob=f"mask/{number}"))
    with desk.store._reading.connect() as connection:
        statement = str(
            NAMED_BLOBS[which].params(keys=["a", "b"]).compile(connection, compile_kwargs={"literal_binds": True})
        )
        if connection.dialect.name == "postgresql":
            # Of a table so small, the planner prefers a full scan, and of an empty one any index will do.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("ANALYZE tasks"))
            rows = connection.execute(text(f"EXPLAIN {statement}"))
        else:
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))
        plan = " ".join(str(row) for row in rows)
    assert INDEXES[which] in plan, plan
