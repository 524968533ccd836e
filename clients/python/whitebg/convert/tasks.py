"""Conversion of tasks and batches."""

from __future__ import annotations

from whitebg import models
from whitebg.convert.common import inverse, span, utc
from whitebg.convert.options import options_from_proto
from whitebg.convert.results import result_from_proto
from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import numbers

_STATES_OUT = numbers(models.TaskState, task_pb2.TaskState)
STATES = inverse(_STATES_OUT)
_WAIT_REASONS = inverse(numbers(models.WaitReason, task_pb2.WaitReason))
_REVIEWS_OUT = numbers(models.Review, task_pb2.Review)
_REVIEWS = inverse(_REVIEWS_OUT)


def state_to_proto(state: models.TaskState) -> task_pb2.TaskState.ValueType:
    """Convert a state.

    Raises:
        ValueError: it is UNKNOWN, which can't be asked for.

    """
    if state not in _STATES_OUT:
        raise ValueError(f"{state!r} is not a state to ask for; ask for one of {', '.join(_STATES_OUT)}")
    return _STATES_OUT[state]


def review_to_proto(review: models.Review) -> task_pb2.Review.ValueType:
    """Convert a decision on a result."""
    return _REVIEWS_OUT[review]


def wait_reason_from_proto(number: task_pb2.WaitReason.ValueType) -> models.WaitReason | None:
    """Convert the reason of a snooze; None where there was none."""
    return _WAIT_REASONS.get(number, models.WaitReason.UNKNOWN) if number else None


def task_from_proto(task: task_pb2.Task) -> models.Task:
    """Convert a task."""
    return models.Task(
        task_id=task.task_id,
        user_id=task.user_id,
        state=STATES.get(task.state, models.TaskState.UNKNOWN),
        options=options_from_proto(task.options),
        input=models.InputInfo(
            filename=task.input.filename,
            format=task.input.format,
            width=task.input.width,
            height=task.input.height,
            size_bytes=task.input.size_bytes,
            has_mask=task.input.has_mask,
        ),
        created_at=utc(task.created_at),
        updated_at=utc(task.updated_at),
        seq=task.seq,
        attempt=task.attempt,
        max_attempts=task.max_attempts,
        priority=task.priority,
        progress=task.progress,
        stage=task.stage,
        result=result_from_proto(task.result) if task.HasField("result") else None,
        error=models.TaskError(code=task.error.code, message=task.error.message, retryable=task.error.retryable)
        if task.HasField("error")
        else None,
        run_at=utc(task.run_at) if task.HasField("run_at") else None,
        started_at=utc(task.started_at) if task.HasField("started_at") else None,
        finished_at=utc(task.finished_at) if task.HasField("finished_at") else None,
        timeout=span(task.timeout) if task.HasField("timeout") else None,
        queue_position=task.queue_position or None,
        estimated_remaining=span(task.estimated_remaining) if task.HasField("estimated_remaining") else None,
        deadline=utc(task.deadline) if task.HasField("deadline") else None,
        wait_reason=wait_reason_from_proto(task.wait_reason),
        failures=task.failures,
        lost_leases=task.lost_leases,
        source_task_id=task.source_task_id or None,
        batch_id=task.batch_id or None,
        review=_REVIEWS.get(task.review, models.Review.OPEN),
    )


def batch_from_proto(batch: task_pb2.Batch) -> models.Batch:
    """Convert a batch."""
    return models.Batch(
        batch_id=batch.batch_id,
        user_id=batch.user_id,
        created_at=utc(batch.created_at),
        closed=batch.closed,
        finished_at=utc(batch.finished_at) if batch.HasField("finished_at") else None,
        pending=batch.pending,
        processing=batch.processing,
        completed=batch.completed,
        failed=batch.failed,
        timed_out=batch.timed_out,
        cancelled=batch.cancelled,
    )
