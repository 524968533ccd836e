"""I3: no state change without its event, no event without its state change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from generator_service.domain import transitions
from generator_service.domain.errors import LeaseLost, TaskNotFound, WhitebgError
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.store import rows
from generator_service.store.unit_of_work import UnitOfWork
from tests.support.store import (
    LEASE,
    RESULT,
    Commits,
    StoreHarness,
    audit,
    failure,
    lease,
    new_task,
    whole_snapshot,
)


@pytest.fixture
def unloggable(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a user whose events the database rejects after the state change was written."""
    event_values = rows.event_values

    def spoiled(event: TaskEvent) -> dict[str, Any]:
        values = event_values(event)
        return values | {"type": None} if event.user_id == "mallory" else values

    monkeypatch.setattr(rows, "event_values", spoiled)
    return "mallory"


async def _hold_writer(commits: Commits, desk: StoreHarness) -> asyncio.Task[Task]:
    """Start a write that blocks the writer; all writes begun now become one batch."""
    first = asyncio.create_task(desk.add("first"))
    await commits.stuck()
    return first


async def test_each_transition_writes_its_event_with_the_task_as_it_left_it(desk: StoreHarness) -> None:
    store = desk.store
    seen: list[Task] = [await desk.add()]
    seen += await desk.claim()
    seen.append(await store.fail(seen[-1].lease, failure()))
    desk.clock.advance(LEASE)
    seen += await desk.claim()
    seen.append(await store.release(seen[-1].lease))
    seen += await desk.claim()
    seen.append(await store.complete(seen[-1].lease, RESULT))
    assert [event.task for event in await audit(store)] == seen


async def test_what_is_refused_leaves_no_trace(desk: StoreHarness) -> None:
    store = desk.store
    task = await desk.running()
    before = await audit(store)
    wrong = lease(task, owner="somebody else")
    attempts = [
        store.complete(wrong, RESULT),
        store.fail(wrong, failure()),
        store.time_out(wrong),
        store.release(wrong),
        store.cancel(task.task_id, "bob"),
        store.cancel(task.task_id + 1, None),
    ]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LeaseLost] * 4 + [TaskNotFound] * 2
    assert await audit(store) == before
    assert await store.get(task.task_id, "ann") == task


async def test_without_its_event_a_state_change_is_not_there(desk: StoreHarness, unloggable: str) -> None:
    with pytest.raises(IntegrityError):
        await desk.add(unloggable)
    assert (await whole_snapshot(desk.store)).tasks == []
    assert await audit(desk.store) == []
    assert desk.commits.batches == []


async def test_a_failure_in_a_batch_strikes_only_its_own_caller(desk: StoreHarness, unloggable: str) -> None:
    victim = await desk.running("ann")
    with desk.commits.held():
        first = await _hold_writer(desk.commits, desk)
        batch = [
            asyncio.ensure_future(writing)
            for writing in (
                desk.store.enqueue(new_task("bob")),
                desk.store.enqueue(new_task(unloggable)),
                desk.store.complete(victim.lease, RESULT),
                desk.store.fail(lease(victim, attempt=7), failure()),
                desk.store.enqueue(new_task(unloggable)),
                desk.store.enqueue(new_task("cho")),
            )
        ]
        await asyncio.sleep(0)
    bob, spoiled, completed, refused, spoiled_too, cho = await asyncio.gather(*batch, return_exceptions=True)
    await first
    assert isinstance(spoiled, IntegrityError)
    assert isinstance(spoiled_too, IntegrityError)
    assert isinstance(refused, LeaseLost)
    assert isinstance(completed, Task)
    assert completed.state is TaskState.COMPLETED
    assert not isinstance(bob, BaseException)
    assert not isinstance(cho, BaseException)
    log = await audit(desk.store)
    assert [event.user_id for event in log] == ["ann", "ann", "first", "bob", "ann", "cho"]


async def test_a_batch_is_one_commit(desk: StoreHarness) -> None:
    with desk.commits.held():
        first = await _hold_writer(desk.commits, desk)
        batch = [asyncio.ensure_future(desk.add(f"user {number}")) for number in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *batch)
    assert [len(events) for events in desk.commits.batches] == [1, 20]


async def test_a_refusal_after_a_change_takes_the_change_back(desk: StoreHarness) -> None:
    """The last safeguard: an operation that fails after its first change, which it must not."""

    def careless(uow: UnitOfWork) -> None:
        new = new_task("half made")
        uow.insert_task(transitions.create(new, task_id=0, at=uow.now), new)
        raise WhitebgError("too late")

    with desk.commits.held():
        first = await _hold_writer(desk.commits, desk)
        broken = asyncio.ensure_future(desk.store._write(careless, users=["half made"]))
        after = asyncio.ensure_future(desk.add("half made"))
        await asyncio.sleep(0)
    with pytest.raises(WhitebgError, match="too late"):
        await broken
    assert (await after).seq == 1
    await first
    await audit(desk.store)


async def test_the_writer_outlives_a_listener_that_fails(
    desk: StoreHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the listener broke")

    monkeypatch.setattr(desk.store._writer, "_on_commit", broken)
    assert (await desk.add()).seq == 1
    assert (await desk.add()).seq == 2
    assert "the listener of commits failed" in caplog.text


async def test_a_caller_cancelled_before_its_write_began_writes_nothing(desk: StoreHarness) -> None:
    with desk.commits.held():
        first = await _hold_writer(desk.commits, desk)
        gone, stays = (asyncio.create_task(desk.add(user)) for user in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    await asyncio.gather(first, stays)
    assert [event.user_id for event in await audit(desk.store)] == ["first", "stays"]
