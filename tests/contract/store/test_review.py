"""Decisions on results: numbered events, idempotent, and nothing but the decision changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from generator_service.domain.event import EventType
from generator_service.domain.task import Review, TaskState
from generator_service.store import sql
from generator_service.store.contract import ReviewedTasks
from tests.contract.store.conftest import OpenStore
from tests.support.store import RESULT, StoreHarness, audit, new_task, read_log

ACCEPTED, REJECTED, OPEN = Review.ACCEPTED, Review.REJECTED, Review.OPEN


async def _completed(desk: StoreHarness, user: str = "ann", *, batch: str | None = None) -> int:
    await desk.store.enqueue(replace(new_task(user), batch_id=batch))
    (task,) = await desk.claim()
    return (await desk.store.complete(task.lease, RESULT)).task_id


async def test_decision_is_a_numbered_event_that_changes_nothing_else(desk: StoreHarness) -> None:
    task_id = await _completed(desk)
    before = await desk.store.get(task_id, None)
    at = desk.clock.advance(timedelta(seconds=5))

    assert await desk.store.review_tasks([task_id], "ann", ACCEPTED) == ReviewedTasks(task_ids=[task_id], unfinished=[])

    after = await desk.store.get(task_id, None)
    assert after == replace(before, review=ACCEPTED, seq=before.seq + 1, updated_at=at)
    last = (await read_log(desk.store))[0][-1]
    assert (last.type, last.seq, last.occurred_at, last.task) == (EventType.REVIEWED, after.seq, at, after)
    assert desk.commits.batches[-1] == [last], "and listeners of commits get the same event"
    await audit(desk.store)


async def test_decision_in_the_moment_of_the_completion_is_told_from_it(desk: StoreHarness) -> None:
    task_id = await _completed(desk)
    await desk.store.review_tasks([task_id], "ann", REJECTED)
    types = [event.type for event in (await read_log(desk.store))[0]]
    assert types == [EventType.CREATED, EventType.STARTED, EventType.COMPLETED, EventType.REVIEWED]


async def test_same_decision_again_is_no_event(desk: StoreHarness) -> None:
    task_id = await _completed(desk)
    await desk.store.review_tasks([task_id], "ann", OPEN)
    assert len((await read_log(desk.store))[0]) == 3, "it was open before"
    for _ in range(2):
        assert (await desk.store.review_tasks([task_id, task_id], "ann", ACCEPTED)).task_ids == [task_id]
    assert len((await read_log(desk.store))[0]) == 4
    await desk.store.review_tasks([task_id], "ann", OPEN)
    assert (await desk.store.get(task_id, None)).review is OPEN
    assert len((await read_log(desk.store))[0]) == 5


async def test_tasks_without_a_result_and_those_of_others_are_left_unchanged(desk: StoreHarness) -> None:
    of_bob, done = await _completed(desk, "bob"), await _completed(desk)
    waiting = (await desk.add()).task_id
    cancelled = (await desk.add()).task_id
    await desk.store.cancel(cancelled, "ann")
    head = (await read_log(desk.store))[1].position

    outcome = await desk.store.review_tasks([cancelled, of_bob, done, 999, waiting], "ann", ACCEPTED)

    assert outcome == ReviewedTasks(task_ids=[done], unfinished=[cancelled, waiting])
    assert (await read_log(desk.store))[1].position == head + 1
    assert (await desk.store.review_tasks([of_bob], None, ACCEPTED)).task_ids == [of_bob], "None is any owner"


async def test_many_tasks_take_several_transactions(desk: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "REVIEW_CHUNK", 2)
    done = [await _completed(desk) for _ in range(5)]
    desk.commits.batches.clear()
    assert (await desk.store.review_tasks(done, "ann", ACCEPTED)).task_ids == done
    assert [len(batch) for batch in desk.commits.batches] == [2, 2, 1]


async def test_list_by_decision_has_completed_tasks_only(desk: StoreHarness) -> None:
    accepted, rejected, undecided = [await _completed(desk) for _ in range(3)]
    await desk.add()
    await desk.store.review_tasks([accepted], "ann", ACCEPTED)
    await desk.store.review_tasks([rejected], "ann", REJECTED)
    for review, expected in ((ACCEPTED, accepted), (REJECTED, rejected), (OPEN, undecided)):
        page = await desk.store.list_tasks("ann", states=(), before=None, skip=0, limit=10, review=review)
        assert ([task.task_id for task in page.tasks], page.total) == ([expected], 1)
    page = await desk.store.list_tasks(
        "ann", states=[TaskState.PENDING], before=None, skip=0, limit=10, review=ACCEPTED
    )
    assert page.total == 0


async def test_decision_repeats_no_end_of_a_batch(desk: StoreHarness) -> None:
    task_id = await _completed(desk, batch="b")
    await desk.store.close_batch("ann", "b")
    ended = await desk.store.batch("ann", "b")
    desk.clock.advance(timedelta(seconds=5))
    await desk.store.review_tasks([task_id], "ann", ACCEPTED)
    types = [event.type for event in (await read_log(desk.store))[0]]
    assert types[-3:] == [EventType.COMPLETED, EventType.BATCH_FINISHED, EventType.REVIEWED]
    assert await desk.store.batch("ann", "b") == ended


async def test_decision_and_log_survive_a_restart(open_store: OpenStore) -> None:
    desk = open_store()
    task_id = await _completed(desk)
    await desk.store.review_tasks([task_id], "ann", ACCEPTED)
    log, _ = await read_log(desk.store)
    again = open_store()
    assert (await again.store.get(task_id, None)).review is ACCEPTED
    assert (await read_log(again.store))[0] == log
