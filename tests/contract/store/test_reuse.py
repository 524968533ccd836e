"""A stored result answers only requests that allow reuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from generator_service.domain.errors import IdempotencyConflict
from generator_service.domain.task import Task
from tests.support.store import RESULT, StoreHarness, failure, new_task

KEY = "k" * 64


async def made(desk: StoreHarness, user: str = "ann", key: str | None = KEY) -> Task:
    """Complete a task."""
    await desk.store.enqueue(new_task(user, picture_key=key))
    (task,) = await desk.claim()
    return await desk.store.complete(task.lease, RESULT)


async def test_the_latest_result_of_the_same_picture_answers(desk: StoreHarness) -> None:
    await made(desk)
    latest = await made(desk)
    head = (await desk.store.latest_events(1)).head.position
    answer = await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))
    assert (answer.task, answer.reused, answer.deduplicated) == (latest, True, False)
    assert (await desk.store.latest_events(1)).head.position == head, "nothing was written"


async def test_without_being_asked_nothing_is_reused(desk: StoreHarness) -> None:
    earlier = await made(desk)
    answer = await desk.store.enqueue(new_task(picture_key=KEY))
    assert answer.task.task_id != earlier.task_id
    assert not answer.reused


async def test_another_users_another_pictures_or_an_older_versions_result_does_not_answer(desk: StoreHarness) -> None:
    await made(desk, user="bob")
    await made(desk, key="other")
    await made(desk, key=None)
    answer = await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))
    assert not answer.reused
    assert answer.task.attempt == 0


async def test_only_a_completed_task_answers(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(picture_key=KEY))
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused, "it is pending"
    for task in await desk.claim(limit=2):
        await desk.store.fail(task.lease, failure(retryable=False))
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused, "it failed"


async def test_an_idempotency_key_goes_first(desk: StoreHarness) -> None:
    await made(desk)
    first = await desk.store.enqueue(new_task(key="a", picture_key="other"))
    again = await desk.store.enqueue(new_task(key="a", picture_key="other", reuse=True))
    assert (again.task.task_id, again.deduplicated, again.reused) == (first.task.task_id, True, False)
    with pytest.raises(IdempotencyConflict):
        await desk.store.enqueue(new_task(key="a", fingerprint="changed", picture_key=KEY, reuse=True))


async def test_a_forgotten_result_does_not_answer(desk: StoreHarness) -> None:
    earlier = await made(desk)
    await desk.store.forget([earlier.task_id])
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused


async def test_a_key_stands_for_the_reused_task_from_then_on(desk: StoreHarness) -> None:
    earlier = await made(desk)
    first = await desk.store.enqueue(new_task(key="a", picture_key=KEY, reuse=True))
    assert (first.task, first.reused) == (earlier, True)
    # By now a later result of the same photo would match, and without ``reuse`` a new task.
    await made(desk)
    head = (await desk.store.latest_events(1)).head.position
    for reuse in (True, False):
        again = await desk.store.enqueue(new_task(key="a", picture_key=KEY, reuse=reuse))
        assert (again.task, again.deduplicated, again.reused) == (earlier, True, False)
    with pytest.raises(IdempotencyConflict, match=f"task {earlier.task_id}"):
        await desk.store.enqueue(new_task(key="a", fingerprint="changed"))
    assert (await desk.store.latest_events(1)).head.position == head
    assert (await desk.store.enqueue(new_task("bob", key="a"))).deduplicated is False, "each user has keys of its own"


async def test_the_same_key_within_one_batch_is_recorded_once(desk: StoreHarness) -> None:
    earlier = await made(desk)
    requests = [desk.store.enqueue(new_task(key="a", picture_key=KEY, reuse=True)) for _ in range(10)]
    answers = await asyncio.gather(*requests)
    assert {answer.task.task_id for answer in answers} == {earlier.task_id}
    assert sorted(answer.reused for answer in answers) == [False] * 9 + [True]


async def test_a_key_of_a_reused_task_is_free_again_when_that_is_deleted(desk: StoreHarness) -> None:
    earlier = await made(desk)
    await desk.store.enqueue(new_task(key="a", picture_key=KEY, reuse=True))
    await desk.store.forget([earlier.task_id])
    assert not (await desk.store.enqueue(new_task(key="a", picture_key=KEY, reuse=True))).deduplicated


async def test_what_an_older_release_stored_is_found_by_its_own_rule(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(key="a", fingerprint="old", picture_key="old picture"))
    (task,) = await desk.claim()
    done = await desk.store.complete(task.lease, RESULT)
    now: dict[str, Any] = {"fingerprint": "v1", "picture_key": "v1 picture"}
    again = await desk.store.enqueue(new_task(key="a", older_fingerprints=("older", "old"), **now))
    assert (again.task, again.deduplicated) == (done, True)
    reused = await desk.store.enqueue(new_task(reuse=True, older_picture_keys=("old picture",), **now))
    assert (reused.task, reused.reused) == (done, True)
    with pytest.raises(IdempotencyConflict):
        await desk.store.enqueue(new_task(key="a", older_fingerprints=("older",), **now))
