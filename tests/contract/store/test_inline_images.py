"""Small images: stored with the row that names them, or not at all, and deleted with it."""

from __future__ import annotations

import pytest

from generator_service.domain.errors import LeaseLost
from tests.support.store import RESULT, StoreHarness, new_task

PHOTO, RESULT_KEY = "inline/input/1", "inline/result/1"


async def test_images_of_a_new_task_are_stored_with_it(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(), {PHOTO: b"photo \0\xff", "inline/mask/1": b"mask"})
    assert await desk.store.inline_image(PHOTO) == b"photo \0\xff"
    assert await desk.store.inline_image("inline/mask/1") == b"mask"
    assert await desk.store.inline_image("inline/input/2") is None


async def test_images_of_a_request_that_makes_no_task_are_not_stored(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(key="k"), {PHOTO: b"first"})
    repeated = await desk.store.enqueue(new_task(key="k"), {"inline/input/2": b"second"})
    assert repeated.deduplicated
    assert await desk.store.inline_image(PHOTO) == b"first"
    assert await desk.store.inline_image("inline/input/2") is None


async def test_images_of_a_result_are_stored_as_the_task_is_completed(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(), {PHOTO: b"photo"})
    (task,) = await desk.claim()
    await desk.store.complete(task.lease, RESULT, {RESULT_KEY: b"picture"})
    assert await desk.store.inline_image(RESULT_KEY) == b"picture"


async def test_images_of_a_refused_result_are_not_stored(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(), {PHOTO: b"photo"})
    (task,) = await desk.claim()
    await desk.store.cancel(task.task_id, None)
    with pytest.raises(LeaseLost):
        await desk.store.complete(task.lease, RESULT, {RESULT_KEY: b"picture"})
    assert await desk.store.inline_image(RESULT_KEY) is None


async def test_a_forgotten_task_takes_its_images_with_it(desk: StoreHarness) -> None:
    kept = await desk.store.enqueue(new_task(), {"inline/input/2": b"another"})
    gone = await desk.store.enqueue(new_task(), {PHOTO: b"photo"})
    await desk.store.cancel(gone.task.task_id, None)
    await desk.store.forget([gone.task.task_id])
    assert await desk.store.inline_image(PHOTO) is None
    assert await desk.store.inline_image("inline/input/2") == b"another"
    assert (await desk.store.get(kept.task.task_id, None)).task_id == kept.task.task_id


async def test_a_deleted_task_takes_its_images_with_it(desk: StoreHarness) -> None:
    gone = await desk.store.enqueue(new_task(), {PHOTO: b"photo"})
    (task,) = await desk.claim()
    await desk.store.complete(task.lease, RESULT, {RESULT_KEY: b"picture"})
    await desk.store.delete_tasks([gone.task.task_id], "ann")
    assert await desk.store.inline_image(PHOTO) is None
    assert await desk.store.inline_image(RESULT_KEY) is None
