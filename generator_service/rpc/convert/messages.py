"""Conversion of tasks, results, events and progress to messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from generator_service.domain.batch import Batch
from generator_service.domain.breaker import Breaker, Condition
from generator_service.domain.cursor import UserCursor
from generator_service.domain.errors import GapReason, InvalidRequest
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.finding import Finding
from generator_service.domain.placement import Placement
from generator_service.domain.report import Report, Verdict
from generator_service.domain.revocation import Revocation
from generator_service.domain.task import (
    InputInfo,
    Progress,
    ResultInfo,
    Review,
    Task,
    TaskState,
    WaitReason,
)
from generator_service.domain.verdict import ResultVerdict, judge_result
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.rpc.convert import picture_options
from generator_service.watch.feed import Bookmark, Item, QueueChanged, SnapshotBegin, SnapshotEnd
from generator_service.watch.queue_positions import QueueView
from whitebg.v1 import event_pb2, generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers

STATES = numbers(TaskState, task_pb2.TaskState)
VERDICTS = numbers(Verdict, task_pb2.Verdict)
RESULT_VERDICTS = numbers(ResultVerdict, task_pb2.ResultVerdict)
REVIEWS = numbers(Review, task_pb2.Review)
EVENT_TYPES = numbers(EventType, event_pb2.EventType)
WAIT_REASONS = numbers(WaitReason, task_pb2.WaitReason)
BREAKER_STATES = numbers(Condition, generator_service_pb2.BreakerState)
GAP_REASONS = numbers(GapReason, generator_service_pb2.SnapshotReason)
TaskMessage = task_pb2.Task
_STATE_OF = {number: state for state, number in STATES.items()}
_REVIEW_OF = {number: review for review, number in REVIEWS.items()}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def timestamp(at: datetime | None) -> Timestamp | None:
    """Convert a time to a message; None stays unset."""
    if at is None:
        return None
    seconds, microseconds = divmod((at - _EPOCH) // _MICROSECOND, 1_000_000)
    return Timestamp(seconds=seconds, nanos=microseconds * 1000)


def duration(span: timedelta | None) -> Duration | None:
    """Convert a duration to a message; None stays unset."""
    if span is None:
        return None
    message = Duration()
    message.FromTimedelta(span)
    return message


def states_from(numbers: Sequence[task_pb2.TaskState.ValueType]) -> set[TaskState]:
    """Read a filter of states.

    Raises:
        InvalidRequest: a number is not a known state.

    """
    unknown = [number for number in numbers if number not in _STATE_OF]
    if unknown:
        raise InvalidRequest("states", f"{unknown[0]} is not a task state")
    return {_STATE_OF[number] for number in numbers}


def review_from(number: task_pb2.Review.ValueType) -> Review:
    """Read a decision on a result.

    Raises:
        InvalidRequest: the number is not a decision.

    """
    if number not in _REVIEW_OF:
        raise InvalidRequest("review", f"{number} is not a decision; use ACCEPTED, REJECTED or OPEN")
    return _REVIEW_OF[number]


def input_info(value: InputInfo) -> task_pb2.InputInfo:
    """Convert the description of a photo to a message."""
    return task_pb2.InputInfo(
        filename=value.filename,
        format=value.format,
        width=value.width,
        height=value.height,
        size_bytes=value.size_bytes,
        has_mask=value.mask is not None,
    )


def result_info(value: ResultInfo, *, masked: bool = False) -> task_pb2.ResultInfo:
    """Convert the description of a result to a message; ``masked``: the user supplied the mask.

    The verdict is computed here rather than stored, so results of older releases have one too.
    """
    judgement = judge_result(
        report=value.report, findings=value.findings, confidence=value.confidence, trusted=TRUSTED, masked=masked
    )
    return task_pb2.ResultInfo(
        engine=picture_options.ENGINES[value.engine],
        content_type=value.format.content_type,
        width=value.width,
        height=value.height,
        size_bytes=value.size_bytes,
        confidence=value.confidence,
        fill=value.fill,
        warnings=[each.message for each in value.findings],
        report=None if value.report is None else report(value.report),
        findings=[finding(each) for each in value.findings],
        placement=None if value.placement is None else placement(value.placement),
        verdict=RESULT_VERDICTS[judgement.verdict],
        verdict_reasons=judgement.reasons,
        mask_size_bytes=value.mask_bytes,
    )


def finding(value: Finding) -> task_pb2.Finding:
    """Convert a finding to a message."""
    message = task_pb2.Finding(code=value.code, message=value.message)
    if value.region is not None:
        message.region.left, message.region.top = value.region.left, value.region.top
        message.region.right, message.region.bottom = value.region.right, value.region.bottom
    return message


def placement(value: Placement) -> task_pb2.Placement:
    """Convert a placement to a message."""
    return task_pb2.Placement(
        scale=value.scale,
        x=value.x,
        y=value.y,
        photo_width=value.photo_width,
        photo_height=value.photo_height,
        rotation=value.rotation,
    )


def report(value: Report) -> task_pb2.ComplianceReport:
    """Convert a compliance report to a message."""
    return task_pb2.ComplianceReport(
        preset=value.preset,
        passed=value.passed,
        checks=[
            task_pb2.ComplianceCheck(
                name=check.name,
                verdict=VERDICTS[check.verdict],
                value=check.value,
                limit=check.limit,
                message=check.message,
            )
            for check in value.checks
        ],
    )


def task(value: Task, view: QueueView | None = None) -> task_pb2.Task:
    """Convert a task; with a view, add its queue position and remaining time."""
    message = task_pb2.Task(
        task_id=value.task_id,
        user_id=value.user_id,
        state=STATES[value.state],
        options=picture_options.options(value.options),
        input=input_info(value.input),
        attempt=value.attempt,
        max_attempts=value.max_attempts,
        priority=value.priority,
        progress=value.progress,
        stage=value.stage,
        seq=value.seq,
        created_at=timestamp(value.created_at),
        updated_at=timestamp(value.updated_at),
        run_at=timestamp(value.run_at if view is None else view.wall_time(value.run_at)),
        started_at=timestamp(value.started_at),
        finished_at=timestamp(value.finished_at),
        timeout=duration(value.timeout),
        deadline=timestamp(value.deadline if view is None else view.wall_time(value.deadline)),
        wait_reason=wait_reason(value.wait_reason),
        lost_leases=value.lost_leases,
        failures=value.failures,
        source_task_id=value.source_task_id or 0,
        batch_id=value.batch_id or "",
        assigned_engine=None if value.assigned_engine is None else picture_options.ENGINES[value.assigned_engine],
        review=REVIEWS[value.review],
    )
    if value.result is not None:
        message.result.CopyFrom(result_info(value.result, masked=value.input.mask is not None))
    if value.error is not None:
        message.error.code = value.error.code
        message.error.message = value.error.message
        message.error.retryable = value.error.retryable
    if view is not None:
        message.queue_position = view.place(value.task_id) if value.state is TaskState.PENDING else 0
        remaining = view.remaining(value)
        if remaining is not None:
            message.estimated_remaining.FromTimedelta(remaining)
    return message


def wait_reason(value: WaitReason | None) -> task_pb2.WaitReason.ValueType:
    """Convert the reason of a snooze to a message; None stays unset."""
    return task_pb2.WAIT_REASON_UNSPECIFIED if value is None else WAIT_REASONS[value]


def breaker(value: Breaker, now: datetime, view: QueueView) -> generator_service_pb2.CircuitBreaker:
    """Convert a circuit breaker to a message; ``now`` is the queue time."""
    return generator_service_pb2.CircuitBreaker(
        name=value.name,
        state=BREAKER_STATES[value.condition(now)],
        reason=wait_reason(value.reason),
        message=value.message,
        failing_since=timestamp(view.wall_time(value.failing_since)),
        open_until=timestamp(view.wall_time(value.open_until)),
    )


def event(value: TaskEvent, epoch: str, view: QueueView | None = None) -> event_pb2.TaskEvent:
    """Convert an event to a message."""
    return event_pb2.TaskEvent(
        revision=value.revision,
        seq=value.seq,
        cursor=str(UserCursor(epoch, value.seq)),
        type=EVENT_TYPES[value.type],
        occurred_at=timestamp(value.occurred_at),
        task=task(value.task, view),
        batch=None if value.batch is None else batch(value.batch),
    )


def batch(value: Batch) -> task_pb2.Batch:
    """Convert a batch to a message."""
    count = value.counts.get
    return task_pb2.Batch(
        batch_id=value.batch_id,
        user_id=value.user_id,
        created_at=timestamp(value.created_at),
        closed=value.closed,
        finished_at=timestamp(value.finished_at),
        pending=count(TaskState.PENDING, 0),
        processing=count(TaskState.PROCESSING, 0),
        completed=count(TaskState.COMPLETED, 0),
        failed=count(TaskState.FAILED, 0),
        timed_out=count(TaskState.TIMEOUT, 0),
        cancelled=count(TaskState.CANCELLED, 0),
    )


def progress(value: Progress, view: QueueView) -> event_pb2.TaskProgress:
    """Convert progress to a message."""
    return event_pb2.TaskProgress(
        task_id=value.task_id,
        user_id=value.user_id,
        attempt=value.attempt,
        progress=value.percent,
        stage=value.stage,
        updated_at=timestamp(value.updated_at),
        queue_position=value.queue_position,
        estimated_remaining=duration(value.remaining or view.remaining_of(value.task_id)),
        wait_reason=wait_reason(value.wait_reason),
        run_at=timestamp(view.wall_time(value.run_at)),
    )


def watch_item(value: Item, epoch: str, view: QueueView) -> generator_service_pb2.WatchItem:
    """Convert an update for a watcher to a message."""
    message = generator_service_pb2.WatchItem()
    match value:
        case TaskEvent():
            message.event.CopyFrom(event(value, epoch, view))
        case Progress():
            message.progress.CopyFrom(progress(value, view))
        case Task():
            message.snapshot_task.CopyFrom(task(value, view))
        case SnapshotBegin():
            requested = generator_service_pb2.SNAPSHOT_REASON_REQUESTED
            message.snapshot_begin.reason = requested if value.reason is None else GAP_REASONS[value.reason]
        case SnapshotEnd():
            message.snapshot_end.task_count = value.task_count
        case Bookmark():
            message.bookmark.caught_up = value.caught_up
        case Revocation():
            message.revocation.CopyFrom(revocation(value))
        case QueueChanged():
            message.queue_changed.SetInParent()
    return message


def revocation(value: Revocation) -> generator_service_pb2.Revocation:
    """Convert a revocation to a message."""
    return generator_service_pb2.Revocation(
        number=value.number,
        session_id=value.session_id,
        user_id=value.user_id,
        revoked_at=timestamp(value.revoked_at),
        expires_at=timestamp(value.expires_at),
    )
