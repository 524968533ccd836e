"""I6: the same ``(user_id, idempotency_key)`` is the same task; with another request it is an error."""

from __future__ import annotations

import asyncio

import pytest

from generator_service.domain.errors import IdempotencyConflict
from generator_service.domain.task import TaskState
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, StoreHarness, audit, new_task


async def test_the_same_request_again_is_the_same_task(desk: StoreHarness) -> None:
    first = await desk.store.enqueue(new_task(key="k"))
    again = await desk.store.enqueue(new_task(key="k"))
    assert not first.deduplicated
    assert again.deduplicated
    assert again.task == first.task
    assert len(await audit(desk.store)) == 1


async def test_the_task_is_returned_as_it_stands_by_now(desk: StoreHarness) -> None:
    await desk.store.enqueue(new_task(key="k"))
    (task,) = await desk.claim()
    done = await desk.store.complete(task.lease, RESULT)
    again = await desk.store.enqueue(new_task(key="k"))
    assert again.deduplicated
    assert again.task == done


async def test_another_request_with_the_same_key_is_refused(desk: StoreHarness) -> None:
    task = (await desk.store.enqueue(new_task(key="k", fingerprint="one"))).task
    with pytest.raises(IdempotencyConflict, match=f"'k' was already used for task {task.task_id}") as refused:
        await desk.store.enqueue(new_task(key="k", fingerprint="two"))
    assert (refused.value.key, refused.value.task_id) == ("k", task.task_id)
    assert len(await audit(desk.store)) == 1


async def test_at_the_same_moment_one_task_comes_of_it(desk: StoreHarness) -> None:
    outcomes = await asyncio.gather(*(desk.store.enqueue(new_task(key="k")) for _ in range(30)))
    assert len({outcome.task.task_id for outcome in outcomes}) == 1
    assert [outcome.deduplicated for outcome in outcomes].count(False) == 1
    assert len(await audit(desk.store)) == 1


async def test_somebody_elses_key_is_another_key(desk: StoreHarness) -> None:
    anns = await desk.store.enqueue(new_task("ann", key="k", fingerprint="hers"))
    bobs = await desk.store.enqueue(new_task("bob", key="k", fingerprint="his"))
    assert anns.task.task_id != bobs.task.task_id
    assert not bobs.deduplicated


async def test_without_a_key_every_request_is_a_task(desk: StoreHarness) -> None:
    first, second = await desk.add(), await desk.add()
    assert first.task_id != second.task_id


async def test_a_known_key_is_answered_even_when_the_quota_is_full(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=1))
    first = await desk.store.enqueue(new_task(key="k"))
    assert (await desk.store.enqueue(new_task(key="k"))).task == first.task


async def test_a_refused_request_does_not_use_up_its_key(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=1))
    task = await desk.add()
    outcome = await asyncio.gather(desk.store.enqueue(new_task(key="k")), return_exceptions=True)
    assert isinstance(outcome[0], Exception)
    await desk.store.cancel(task.task_id, None)
    assert not (await desk.store.enqueue(new_task(key="k"))).deduplicated


async def test_a_key_is_free_again_when_its_task_is_forgotten(desk: StoreHarness) -> None:
    first = (await desk.store.enqueue(new_task(key="k", fingerprint="one"))).task
    await desk.store.cancel(first.task_id, None)
    await desk.store.forget([first.task_id])
    second = await desk.store.enqueue(new_task(key="k", fingerprint="two"))
    assert not second.deduplicated
    assert second.task.task_id > first.task_id, "ids are never given out again"


async def test_a_cancelled_task_keeps_its_key(desk: StoreHarness) -> None:
    task = (await desk.store.enqueue(new_task(key="k"))).task
    await desk.store.cancel(task.task_id, None)
    again = await desk.store.enqueue(new_task(key="k"))
    assert (again.task.task_id, again.task.state) == (task.task_id, TaskState.CANCELLED)
