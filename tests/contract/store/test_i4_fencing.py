"""I4: a worker whose ``(lease_owner, attempt)`` no longer matches the row can change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from generator_service.domain.errors import LeaseLost
from generator_service.domain.task import Lease, Task, TaskState
from generator_service.store.contract import Beat
from generator_service.store.sql import SqlTaskStore
from tests.support.store import LEASE, RESULT, StoreHarness, audit, failure, whole_snapshot

LAST_WORDS: dict[str, Callable[[SqlTaskStore, Lease], Awaitable[Task]]] = {
    "complete": lambda store, lease: store.complete(lease, RESULT),
    "fail": lambda store, lease: store.fail(lease, failure()),
    "time_out": lambda store, lease: store.time_out(lease),
    "release": lambda store, lease: store.release(lease),
}


async def _cancelled(desk: StoreHarness, task: Task) -> None:
    await desk.store.cancel(task.task_id, None)


async def _requeued(desk: StoreHarness, task: Task) -> None:
    desk.clock.advance(LEASE)
    assert [each.task_id for each in await desk.store.requeue_expired()] == [task.task_id]


async def _claimed_by_another(desk: StoreHarness, task: Task) -> None:
    await _requeued(desk, task)
    (again,) = await desk.claim("w2")
    assert again.task_id == task.task_id


async def _claimed_again_by_itself(desk: StoreHarness, task: Task) -> None:
    await _requeued(desk, task)
    (again,) = await desk.claim(task.lease.owner)
    assert (again.task_id, again.lease.owner) == (task.task_id, task.lease.owner)


async def _completed(desk: StoreHarness, task: Task) -> None:
    await desk.store.complete(task.lease, RESULT)


async def _forgotten(desk: StoreHarness, task: Task) -> None:
    await desk.store.cancel(task.task_id, None)
    await desk.store.forget([task.task_id])


WAYS_TO_LOSE_IT = [_cancelled, _requeued, _claimed_by_another, _claimed_again_by_itself, _completed, _forgotten]


@pytest.mark.parametrize("word", LAST_WORDS)
@pytest.mark.parametrize("lose", WAYS_TO_LOSE_IT)
async def test_a_late_word_is_refused_and_changes_nothing(
    desk: StoreHarness, lose: Callable[[StoreHarness, Task], Awaitable[None]], word: str
) -> None:
    task = await desk.running()
    await lose(desk, task)
    before = (await whole_snapshot(desk.store)).tasks, (await desk.store.events_after(0, limit=100)).events
    with pytest.raises(LeaseLost, match=f"attempt {task.attempt} of task {task.task_id} "):
        await LAST_WORDS[word](desk.store, task.lease)
    after = (await whole_snapshot(desk.store)).tasks, (await desk.store.events_after(0, limit=100)).events
    assert after == before


@pytest.mark.parametrize("lose", WAYS_TO_LOSE_IT)
async def test_a_late_heartbeat_is_told_that_the_lease_is_lost(
    desk: StoreHarness, lose: Callable[[StoreHarness, Task], Awaitable[None]]
) -> None:
    task = await desk.running()
    await lose(desk, task)
    before = (await whole_snapshot(desk.store)).tasks
    assert list(await desk.store.heartbeat([Beat(task.lease, 99, "late")], lease_for=LEASE)) == [task.lease]
    assert (await whole_snapshot(desk.store)).tasks == before


@pytest.mark.parametrize("word", LAST_WORDS)
async def test_the_holder_is_heard_once(desk: StoreHarness, word: str) -> None:
    task = await desk.running()
    outcomes = await asyncio.gather(
        *(LAST_WORDS[word](desk.store, task.lease) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LeaseLost"] * 4 + ["Task"]
    await audit(desk.store)


async def test_of_contradicting_last_words_one_counts(desk: StoreHarness) -> None:
    task = await desk.running()
    words = [word(desk.store, task.lease) for word in LAST_WORDS.values()]
    outcomes = await asyncio.gather(*words, desk.store.cancel(task.task_id, None), return_exceptions=True)
    # A failure or a release returns it to the queue, where it can still be cancelled.
    heard = [outcome for outcome in outcomes if isinstance(outcome, Task)]
    assert len(heard) in (1, 2)
    log = await audit(desk.store)
    assert len(log) == 2 + len(heard)
    assert await desk.store.get(task.task_id, None) == max(heard, key=lambda each: each.seq)


async def test_a_heartbeat_prolongs_the_lease_and_keeps_the_progress(desk: StoreHarness) -> None:
    task = await desk.running()
    desk.clock.advance(LEASE / 2)
    assert not await desk.store.heartbeat([Beat(task.lease, 42, "matting")], lease_for=LEASE)
    kept = await desk.store.get(task.task_id, None)
    assert (kept.progress, kept.stage, kept.lease_expires_at) == (42, "matting", desk.clock.now() + LEASE)
    desk.clock.advance(LEASE / 2)
    assert await desk.store.requeue_expired() == []
    desk.clock.advance(LEASE / 2)
    assert [each.state for each in await desk.store.requeue_expired()] == [TaskState.PENDING]


async def test_one_heartbeat_tells_held_and_lost_leases_apart(desk: StoreHarness) -> None:
    lost = await desk.running("ann")
    await desk.store.cancel(lost.task_id, None)
    held = await desk.running("bob")
    beats = [Beat(lost.lease, 1, "x"), Beat(held.lease, 2, "y")]
    assert list(await desk.store.heartbeat(beats, lease_for=LEASE)) == [lost.lease]
    assert (await desk.store.get(held.task_id, None)).progress == 2
