"""The exact JSON sent to browsers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from whitebg.v1 import event_pb2, task_pb2
from ws_gateway.http.task_models import WaitReasonName
from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.protocol.messages import STATUS, TERMINAL_STATES, WAIT_REASONS, Encoder, Phase, task_data

SUBMITTED = datetime(2026, 1, 8, 9, 59, 58, 500_000, tzinfo=UTC)
CHANGED = datetime(2026, 1, 8, 10, 0, 0, tzinfo=UTC)
encoder = Encoder(lambda task, kind: f"/images/{task.task_id}/{kind}?signed")


def stamp(time: datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(time)
    return result


def task_in(state: task_pb2.TaskState.ValueType, **fields: object) -> task_pb2.Task:
    task = task_pb2.Task(
        task_id=123,
        user_id="ann",
        state=state,
        attempt=1,
        seq=7,
        created_at=stamp(SUBMITTED),
        updated_at=stamp(CHANGED),
        input=task_pb2.InputInfo(filename="杯.jpg"),
    )
    task.MergeFrom(task_pb2.Task(**fields))  # type: ignore[arg-type]  # any field of a task
    return task


def event_of(task: task_pb2.Task) -> event_pb2.TaskEvent:
    return event_pb2.TaskEvent(seq=task.seq, cursor=f"ab12:{task.seq}", occurred_at=task.updated_at, task=task)


def test_golden_update() -> None:
    task = task_in(task_pb2.TASK_STATE_PROCESSING, progress=40, stage="segmenting")
    task.estimated_remaining.FromTimedelta(timedelta(seconds=30))
    assert encoder.event(event_of(task)).text == (
        '{"type":"task_update","id":"ab12:7","task_id":123,"timestamp":"2026-01-08T10:00:00.000Z","data":'
        '{"status":"processing","progress":40,"result_image_url":null,"elapsed_time":1.5,'
        '"estimated_remaining_seconds":30.0,"error_message":null,"updated_at":"2026-01-08T10:00:00.000Z",'
        '"attempt":1,"stage":"segmenting","queue_position":0,"error_code":null,"seq":7,"filename":"杯.jpg"}}'
    )


def test_golden_complete() -> None:
    task = task_in(task_pb2.TASK_STATE_COMPLETED, progress=100)
    assert encoder.event(event_of(task)).text == (
        '{"type":"task_complete","id":"ab12:7","task_id":123,"timestamp":"2026-01-08T10:00:00.000Z","data":'
        '{"status":"completed","progress":100,"result_image_url":"/images/123/result?signed","elapsed_time":1.5,'
        '"estimated_remaining_seconds":null,"error_message":null,"updated_at":"2026-01-08T10:00:00.000Z",'
        '"attempt":1,"stage":"","queue_position":0,"error_code":null,"seq":7,"filename":"杯.jpg","review":"open"}}'
    )


def test_golden_deleted() -> None:
    error = task_pb2.TaskError(code="deleted", message="deleted on request")
    event = event_of(task_in(task_pb2.TASK_STATE_CANCELLED, error=error))
    event.type = event_pb2.EVENT_TYPE_DELETED
    assert encoder.event(event).text == (
        '{"type":"task_failed","id":"ab12:7","task_id":123,"timestamp":"2026-01-08T10:00:00.000Z","data":'
        '{"status":"failed","progress":0,"result_image_url":null,"elapsed_time":1.5,'
        '"estimated_remaining_seconds":null,"error_message":"deleted on request",'
        '"updated_at":"2026-01-08T10:00:00.000Z","attempt":1,"stage":"","queue_position":0,'
        '"error_code":"deleted","seq":7,"filename":"杯.jpg","deleted":true}}'
    ), "clients acknowledge and parse only the three types of the first version"


@pytest.mark.parametrize(
    ("state", "engine_code", "code"),
    [
        (task_pb2.TASK_STATE_FAILED, "blocked", "blocked"),
        (task_pb2.TASK_STATE_TIMEOUT, "anything", "timeout"),
        (task_pb2.TASK_STATE_CANCELLED, "anything", "cancelled"),
    ],
)
def test_golden_failed(state: task_pb2.TaskState.ValueType, engine_code: str, code: str) -> None:
    task = task_in(state, error=task_pb2.TaskError(code=engine_code, message="what to do"))
    assert encoder.event(event_of(task)).text == (
        '{"type":"task_failed","id":"ab12:7","task_id":123,"timestamp":"2026-01-08T10:00:00.000Z","data":'
        '{"status":"failed","progress":0,"result_image_url":null,"elapsed_time":1.5,'
        '"estimated_remaining_seconds":null,"error_message":"what to do","updated_at":"2026-01-08T10:00:00.000Z",'
        f'"attempt":1,"stage":"","queue_position":0,"error_code":"{code}","seq":7,"filename":"杯.jpg"}}}}'
    )


def test_golden_progress_has_no_id() -> None:
    progress = event_pb2.TaskProgress(
        task_id=123, user_id="ann", attempt=2, progress=55, stage="encoding", updated_at=stamp(CHANGED)
    )
    message = encoder.progress(progress, stamp(SUBMITTED))
    assert message.text == (
        '{"type":"task_update","task_id":123,"timestamp":"2026-01-08T10:00:00.000Z","data":'
        '{"status":"processing","progress":55,"result_image_url":null,"elapsed_time":1.5,'
        '"estimated_remaining_seconds":null,"error_message":null,"updated_at":"2026-01-08T10:00:00.000Z",'
        '"attempt":2,"stage":"encoding","queue_position":0,"error_code":null}}'
    )
    assert (message.task_id, message.attempt, message.percent, message.phase) == (123, 2, 55, Phase.RUNNING)


def test_progress_of_a_waiting_task_reads_as_pending() -> None:
    progress = event_pb2.TaskProgress(task_id=1, queue_position=3, stage="queued", updated_at=stamp(CHANGED))
    message = encoder.progress(progress)
    data = orjson.loads(message.text)["data"]
    assert (data["status"], data["queue_position"], data["elapsed_time"]) == ("pending", 3, None)
    assert message.phase is Phase.WAITING
    assert data["wait_reason"] is None, "an earlier reason is void"


def test_progress_of_a_task_that_can_not_run_reads_as_pending_with_the_reason() -> None:
    progress = event_pb2.TaskProgress(
        task_id=1, stage="paused", updated_at=stamp(CHANGED), wait_reason=task_pb2.WAIT_REASON_PAUSED
    )
    message = encoder.progress(progress)
    data = orjson.loads(message.text)["data"]
    assert (data["status"], data["queue_position"], data["wait_reason"]) == ("pending", 0, "paused")
    assert "waiting_until" not in data, "the pause has no end"
    assert message.phase is Phase.WAITING
    progress.run_at.CopyFrom(stamp(CHANGED + timedelta(minutes=4)))
    assert orjson.loads(encoder.progress(progress).text)["data"]["waiting_until"] == "2026-01-08T10:04:00.000Z"


def test_a_new_task_is_a_pending_update() -> None:
    message = encoder.event(event_of(task_in(task_pb2.TASK_STATE_PENDING, queue_position=4)))
    body = orjson.loads(message.text)
    assert (body["type"], body["data"]["status"], body["data"]["queue_position"]) == ("task_update", "pending", 4)
    assert message.phase is Phase.WAITING
    assert message.cursor == UserCursor("ab12", 7)


def test_only_the_last_task_of_a_snapshot_has_an_id() -> None:
    task = task_in(task_pb2.TASK_STATE_PENDING)
    assert "id" not in orjson.loads(encoder.snapshot_task(task).text)
    assert orjson.loads(encoder.snapshot_task(task, last_of=UserCursor("ab12", 9)).text)["id"] == "ab12:9"


def test_every_state_has_a_word() -> None:
    states = set(task_pb2.TaskState.values()) - {task_pb2.TASK_STATE_UNSPECIFIED}
    assert set(STATUS) == states
    assert {
        task_pb2.TASK_STATE_COMPLETED,
        task_pb2.TASK_STATE_FAILED,
        task_pb2.TASK_STATE_TIMEOUT,
        task_pb2.TASK_STATE_CANCELLED,
    } == TERMINAL_STATES


def test_a_snoozed_task_names_what_it_waits_for_and_until_when() -> None:
    task = task_in(
        task_pb2.TASK_STATE_PENDING,
        wait_reason=task_pb2.WAIT_REASON_RATE_LIMITED,
        run_at=stamp(CHANGED + timedelta(minutes=4)),
        error=task_pb2.TaskError(code="rate_limited", message="Gemini's quota is used up", retryable=True),
    )
    data = task_data(task, lambda _task, _kind: "")
    assert (data["wait_reason"], data["waiting_until"]) == ("rate_limited", "2026-01-08T10:04:00.000Z")
    assert (data["status"], data["error_message"]) == ("pending", "Gemini's quota is used up")
    queued = task_data(task_in(task_pb2.TASK_STATE_PENDING, run_at=stamp(CHANGED)), lambda _task, _kind: "")
    assert not queued.keys() & {"wait_reason", "waiting_until"}
    named = {reason for number, reason in WAIT_REASONS.items() if number}
    assert named == {name.value for name in WaitReasonName}
    assert WAIT_REASONS.keys() == {number for number in task_pb2.WaitReason.values() if number}
