"""Decisions on results through the real service, and the events that readers get."""

from __future__ import annotations

import grpc
import pytest

from tests.integration.service.conftest import Connect
from tests.support.api import refusal
from whitebg.v1 import event_pb2, task_pb2

ACCEPTED, REJECTED, OPEN = task_pb2.REVIEW_ACCEPTED, task_pb2.REVIEW_REJECTED, task_pb2.REVIEW_OPEN
REVIEWED = event_pb2.EVENT_TYPE_REVIEWED


async def test_decision_reaches_watchers_lists_and_late_readers(connect: Connect) -> None:
    api = connect()
    (task,) = await api.finished((await api.submit()).task_id)
    assert task.review == OPEN
    async with api.watch() as watch:
        begun = watch.cursor

        answer = await api.review([task.task_id, 999_999], ACCEPTED)

        assert (list(answer.task_ids), list(answer.missing_task_ids)) == ([task.task_id], [999_999])
        event = await watch.until_event(REVIEWED, task.task_id)
        assert (event.task.state, event.task.review) == (task_pb2.TASK_STATE_COMPLETED, ACCEPTED)
        assert (event.task.finished_at, event.task.result) == (task.finished_at, task.result)
    assert [each.type for each in (await api.events(after=begun)).events] == [REVIEWED]
    assert (await api.get(task.task_id)).review == ACCEPTED
    assert [each.task_id for each in (await api.list_tasks(review=ACCEPTED)).tasks] == [task.task_id]
    assert (await api.list_tasks(review=OPEN)).total_size == 0
    await api.review([task.task_id], ACCEPTED)
    assert len((await api.events(after=begun)).events) == 1, "the same decision again is no event"


async def test_new_version_begins_undecided_and_leaves_the_earlier_decision(connect: Connect) -> None:
    api = connect()
    (task,) = await api.finished((await api.submit()).task_id)
    await api.review([task.task_id], REJECTED)
    (version,) = await api.finished((await api.submit(None, source_task_id=task.task_id)).task_id)
    assert (version.review, (await api.get(task.task_id)).review) == (OPEN, REJECTED)


async def test_other_users_tasks_do_not_exist(connect: Connect) -> None:
    ann, bob = connect(), connect()
    (task,) = await ann.finished((await ann.submit()).task_id)
    assert list((await bob.review([task.task_id], ACCEPTED)).missing_task_ids) == [task.task_id]
    assert (await ann.get(task.task_id)).review == OPEN


@pytest.mark.parametrize(
    ("task_ids", "review", "field"),
    [([], ACCEPTED, "task_ids"), (range(1, 1002), ACCEPTED, "task_ids"), ([1], 0, "review"), ([1], 9, "review")],
)
async def test_unusable_requests_are_rejected_by_name(
    connect: Connect, task_ids: list[int], review: task_pb2.Review.ValueType, field: str
) -> None:
    api = connect()
    status = await refusal(api.review(task_ids, review))
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(status)
