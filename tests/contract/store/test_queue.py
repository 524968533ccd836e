"""Claims, retries, expired leases and cancellation."""

from __future__ import annotations

from datetime import timedelta

import pytest

from generator_service.domain.errors import InvalidTransition, TaskNotFound
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.domain.task import TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, RESULT, StoreHarness, audit, failure, new_task


class Steady:
    """Replaces the random part of a delay by its middle."""

    def random(self) -> float:
        """Return one half."""
        return 0.5


async def test_higher_priority_first_then_least_recently_served_user_then_age(open_store: OpenStore) -> None:
    desk = open_store(Limits(running_per_user=10))
    names = {}
    for name, user, priority in [
        ("ann 1", "ann", 0),
        ("ann 2", "ann", 0),
        ("ann 3", "ann", 0),
        ("bob 1", "bob", 0),
        ("bob low", "bob", -5),
        ("cho 1", "cho", 0),
        ("ann high", "ann", 5),
        ("bob 2", "bob", 0),
    ]:
        names[(await desk.add(user, priority=priority)).task_id] = name
    order = [names[task.task_id] for task in await desk.claim(limit=20)]
    # "ann high" is ann's turn; the others have not been served yet.
    assert order == ["ann high", "bob 1", "cho 1", "ann 1", "bob 2", "ann 2", "ann 3", "bob low"]


async def test_a_user_with_a_long_queue_does_not_hold_up_another(desk: StoreHarness) -> None:
    for _ in range(10):
        await desk.add("ann")
    last = await desk.add("bob")
    claimed = await desk.claim(limit=2)
    assert last.task_id in {task.task_id for task in claimed}


async def test_a_claim_begins_the_next_attempt_under_a_lease(desk: StoreHarness) -> None:
    added = await desk.add()
    desk.clock.advance(timedelta(seconds=3))
    (task,) = await desk.claim("w9")
    now = desk.clock.now()
    assert (task.task_id, task.state, task.attempt, task.lease_owner) == (added.task_id, TaskState.PROCESSING, 1, "w9")
    assert (task.started_at, task.updated_at, task.lease_expires_at, task.run_at) == (now, now, now + LEASE, None)
    assert await desk.claim("w9") == []


async def test_nothing_is_claimed_before_its_time(desk: StoreHarness) -> None:
    task = await desk.running()
    waits = await desk.store.fail(task.lease, failure(retry_after=timedelta(seconds=30)))
    assert waits.run_at == desk.clock.now() + timedelta(seconds=30)
    assert await desk.store.next_due(since=timedelta()) == timedelta(seconds=30)
    desk.clock.advance(timedelta(seconds=30) - timedelta(microseconds=1))
    assert await desk.claim() == []
    desk.clock.advance(timedelta(microseconds=1))
    assert [again.attempt for again in await desk.claim()] == [2]
    assert await desk.store.next_due(since=timedelta()) is None


async def test_a_task_that_must_wait_does_not_hide_one_that_can_run(desk: StoreHarness) -> None:
    waiting = await desk.running()
    await desk.store.fail(waiting.lease, failure(retry_after=timedelta(hours=1)))
    ready = await desk.add(priority=-1)
    assert [task.task_id for task in await desk.claim(limit=5)] == [ready.task_id]


async def test_failures_are_retried_by_the_policy_until_the_last_attempt(open_store: OpenStore) -> None:
    policy = RetryPolicy(base=timedelta(seconds=2), cap=timedelta(seconds=60), random=Steady())  # type: ignore[arg-type]  # only random() is used
    desk = open_store(retry=policy)
    await desk.add(max_attempts=3)
    for seconds in (1.5, 3.0):
        (task,) = await desk.claim()
        after = await desk.store.fail(task.lease, failure())
        assert (after.state, after.attempt) == (TaskState.PENDING, task.attempt)
        assert after.run_at == desk.clock.now() + timedelta(seconds=seconds)
        assert after.error is not None
        assert after.error.code == "busy"
        desk.clock.advance(timedelta(seconds=seconds))
    (task,) = await desk.claim()
    assert task.error is None
    last = await desk.store.fail(task.lease, failure())
    assert (last.state, last.attempt, last.finished_at) == (TaskState.FAILED, 3, desk.clock.now())


async def test_what_can_not_succeed_is_not_tried_again(desk: StoreHarness) -> None:
    task = await desk.running(max_attempts=5)
    ended = await desk.store.fail(task.lease, failure(retryable=False))
    assert ended.state is TaskState.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.message, ended.error.retryable) == ("busy", "is busy", False)


async def test_an_engine_may_allow_fewer_attempts(desk: StoreHarness) -> None:
    task = await desk.running(max_attempts=5)
    assert (await desk.store.fail(task.lease, failure(max_attempts=1))).state is TaskState.FAILED


async def test_a_lost_lease_puts_the_task_back_at_once(desk: StoreHarness) -> None:
    task = await desk.running()
    desk.clock.advance(LEASE - timedelta(microseconds=1))
    assert await desk.store.requeue_expired() == []
    desk.clock.advance(timedelta(microseconds=1))
    (back,) = await desk.store.requeue_expired()
    assert (back.task_id, back.state, back.run_at, back.lease_owner) == (
        task.task_id,
        TaskState.PENDING,
        desk.clock.now(),
        None,
    )
    assert back.error is not None
    assert back.error.code == "lease_lost"
    assert await desk.store.requeue_expired() == []


async def test_a_lost_lease_spends_no_attempt_until_too_many_workers_were_lost(open_store: OpenStore) -> None:
    desk = open_store(waits=WaitPolicy(lost_leases=3))
    await desk.running(max_attempts=1)
    for lost in (1, 2):
        desk.clock.advance(LEASE)
        (back,) = await desk.store.requeue_expired()
        assert (back.state, back.wait_reason, back.lost_leases) == (TaskState.PENDING, WaitReason.LEASE_LOST, lost)
        assert back.failures == 0
        (again,) = await desk.claim()
        assert again.attempt == lost + 1
    desk.clock.advance(LEASE)
    (ended,) = await desk.store.requeue_expired()
    assert (ended.state, ended.lost_leases) == (TaskState.FAILED, 3)
    assert ended.error is not None
    assert (ended.error.code, ended.error.retryable) == ("lease_lost", True)
    assert ended.error.message.startswith("a worker was lost 3 times while working on it")


async def test_a_released_task_runs_again_at_once(desk: StoreHarness) -> None:
    task = await desk.running(max_attempts=1)
    back = await desk.store.release(task.lease)
    assert (back.state, back.run_at) == (TaskState.PENDING, desk.clock.now())
    assert [again.task_id for again in await desk.claim("w2")] == [task.task_id]


async def test_a_timeout_ends_the_task(desk: StoreHarness) -> None:
    ended = await desk.store.time_out((await desk.running()).lease)
    assert ended.state is TaskState.TIMEOUT
    assert ended.error is not None
    assert ended.error.code == "timeout"


@pytest.mark.parametrize("running", [False, True])
async def test_cancelling_is_idempotent(desk: StoreHarness, running: bool) -> None:
    task = await (desk.running() if running else desk.add())
    first = await desk.store.cancel(task.task_id, "ann")
    desk.clock.advance(timedelta(hours=1))
    assert first.state is TaskState.CANCELLED
    assert await desk.store.cancel(task.task_id, None) == first
    assert len(await audit(desk.store)) == (3 if running else 2)


async def test_what_ended_otherwise_can_not_be_cancelled(desk: StoreHarness) -> None:
    ended = await desk.ended()
    with pytest.raises(InvalidTransition, match="is completed; it can't become cancelled"):
        await desk.store.cancel(ended.task_id, "ann")


async def test_a_task_of_somebody_else_does_not_exist(desk: StoreHarness) -> None:
    task = await desk.add("ann")
    for nobodys in (desk.store.cancel(task.task_id, "bob"), desk.store.get(task.task_id, "bob")):
        with pytest.raises(TaskNotFound):
            await nobodys
    assert await desk.store.get(task.task_id, None) == task


async def test_a_task_comes_back_as_it_was_given(desk: StoreHarness) -> None:
    new = new_task("杨 ann", key="k", priority=7, max_attempts=9)
    task = (await desk.store.enqueue(new)).task
    given = (new.user_id, new.options, new.input, new.priority, new.timeout, new.max_attempts)
    for read in (task, await desk.store.get(task.task_id, None), (await desk.store.latest_events(1)).events[0].task):
        assert (read.user_id, read.options, read.input, read.priority, read.timeout, read.max_attempts) == given
        assert (read.created_at, read.run_at) == (desk.clock.now(), None)
    (started,) = await desk.claim()
    done = await desk.store.complete(started.lease, RESULT)
    assert done.result == RESULT
    assert done.result.engine is Engine.LOCAL
    assert await desk.store.get(task.task_id, None) == done
