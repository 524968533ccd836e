"""A stored result answers a request that allows it, and no other."""

from __future__ import annotations

import pytest

from generator_service.domain.errors import IdempotencyConflict
from generator_service.domain.task import Task
from tests.support.store import RESULT, Desk, failure, new_task

KEY = "k" * 64


async def made(desk: Desk, user: str = "ann", key: str | None = KEY) -> Task:
    """Have a picture made."""
    await desk.store.enqueue(new_task(user, picture_key=key))
    (task,) = await desk.claim()
    return await desk.store.complete(task.lease, RESULT)


async def test_the_latest_result_of_the_same_picture_answers(desk: Desk) -> None:
    await made(desk)
    latest = await made(desk)
    head = (await desk.store.latest_events(1)).head.position
    answer = await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))
    assert (answer.task, answer.reused, answer.deduplicated) == (latest, True, False)
    assert (await desk.store.latest_events(1)).head.position == head, "nothing was written"


async def test_without_being_asked_nothing_is_reused(desk: Desk) -> None:
    earlier = await made(desk)
    answer = await desk.store.enqueue(new_task(picture_key=KEY))
    assert answer.task.task_id != earlier.task_id
    assert not answer.reused


async def test_another_users_another_pictures_or_an_older_versions_result_does_not_answer(desk: Desk) -> None:
    await made(desk, user="bob")
    await made(desk, key="other")
    await made(desk, key=None)
    answer = await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))
    assert not answer.reused
    assert answer.task.attempt == 0


async def test_only_a_completed_task_answers(desk: Desk) -> None:
    await desk.store.enqueue(new_task(picture_key=KEY))
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused, "it is pending"
    for task in await desk.claim(limit=2):
        await desk.store.fail(task.lease, failure(retryable=False))
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused, "it failed"


async def test_an_idempotency_key_goes_first(desk: Desk) -> None:
    await made(desk)
    first = await desk.store.enqueue(new_task(key="a", picture_key="other"))
    again = await desk.store.enqueue(new_task(key="a", picture_key="other", reuse=True))
    assert (again.task.task_id, again.deduplicated, again.reused) == (first.task.task_id, True, False)
    with pytest.raises(IdempotencyConflict):
        await desk.store.enqueue(new_task(key="a", fingerprint="changed", picture_key=KEY, reuse=True))


async def test_a_forgotten_result_does_not_answer(desk: Desk) -> None:
    earlier = await made(desk)
    await desk.store.forget([earlier.task_id])
    assert not (await desk.store.enqueue(new_task(picture_key=KEY, reuse=True))).reused
