"""Tasks, events and progress as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from generator_service.domain.cursor import UserCursor
from generator_service.domain.errors import GapReason, InvalidRequest
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.presets import Preset
from generator_service.domain.report import Report, Verdict
from generator_service.domain.task import (
    CUSTOM_PRESET,
    Content,
    Engine,
    InputInfo,
    OutputFormat,
    Progress,
    ResultInfo,
    Shadow,
    Task,
    TaskOptions,
    TaskState,
)
from generator_service.watch.feed import Bookmark, Item, SnapshotBegin, SnapshotEnd
from generator_service.watch.queue_view import QueueView
from protos.whitebg.v1 import event_pb2, generator_service_pb2, task_pb2

STATES = {
    TaskState.PENDING: task_pb2.TASK_STATE_PENDING,
    TaskState.PROCESSING: task_pb2.TASK_STATE_PROCESSING,
    TaskState.COMPLETED: task_pb2.TASK_STATE_COMPLETED,
    TaskState.FAILED: task_pb2.TASK_STATE_FAILED,
    TaskState.TIMEOUT: task_pb2.TASK_STATE_TIMEOUT,
    TaskState.CANCELLED: task_pb2.TASK_STATE_CANCELLED,
}
ENGINES = {
    Engine.AUTO: task_pb2.ENGINE_AUTO,
    Engine.LOCAL: task_pb2.ENGINE_LOCAL,
    Engine.GEMINI: task_pb2.ENGINE_GEMINI,
    Engine.REMBG: task_pb2.ENGINE_REMBG,
}
FORMATS = {
    OutputFormat.PNG: task_pb2.OUTPUT_FORMAT_PNG,
    OutputFormat.JPEG: task_pb2.OUTPUT_FORMAT_JPEG,
    OutputFormat.WEBP: task_pb2.OUTPUT_FORMAT_WEBP,
}
CONTENTS = {
    Content.PICTURE: task_pb2.CONTENT_PICTURE,
    Content.TRANSPARENT: task_pb2.CONTENT_TRANSPARENT,
    Content.MASK: task_pb2.CONTENT_MASK,
}
SHADOWS = {
    Shadow.NONE: task_pb2.SHADOW_NONE,
    Shadow.CONTACT: task_pb2.SHADOW_CONTACT,
}
VERDICTS = {
    Verdict.PASSED: task_pb2.VERDICT_PASSED,
    Verdict.WARNED: task_pb2.VERDICT_WARNED,
    Verdict.FAILED: task_pb2.VERDICT_FAILED,
}
EVENT_TYPES = {
    EventType.CREATED: event_pb2.EVENT_TYPE_CREATED,
    EventType.STARTED: event_pb2.EVENT_TYPE_STARTED,
    EventType.RETRYING: event_pb2.EVENT_TYPE_RETRYING,
    EventType.COMPLETED: event_pb2.EVENT_TYPE_COMPLETED,
    EventType.FAILED: event_pb2.EVENT_TYPE_FAILED,
    EventType.TIMED_OUT: event_pb2.EVENT_TYPE_TIMED_OUT,
    EventType.CANCELLED: event_pb2.EVENT_TYPE_CANCELLED,
}
GAP_REASONS = {
    None: generator_service_pb2.SNAPSHOT_REASON_REQUESTED,
    GapReason.EPOCH_CHANGED: generator_service_pb2.SNAPSHOT_REASON_EPOCH_CHANGED,
    GapReason.CURSOR_IN_FUTURE: generator_service_pb2.SNAPSHOT_REASON_CURSOR_IN_FUTURE,
    GapReason.CURSOR_TOO_OLD: generator_service_pb2.SNAPSHOT_REASON_CURSOR_TOO_OLD,
}
TaskMessage = task_pb2.Task
_STATE_OF = {number: state for state, number in STATES.items()}
_ENGINE_OF = {number: engine for engine, number in ENGINES.items()}
_FORMAT_OF = {number: form for form, number in FORMATS.items()}
_CONTENT_OF = {number: content for content, number in CONTENTS.items()}
_SHADOW_OF = {number: shadow for shadow, number in SHADOWS.items()}


def timestamp(at: datetime | None) -> Timestamp | None:
    """Turn a time into a message; None stays unset."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def duration(span: timedelta | None) -> Duration | None:
    """Turn a span of time into a message; None stays unset."""
    if span is None:
        return None
    message = Duration()
    message.FromTimedelta(span)
    return message


def states_from(numbers: Sequence[task_pb2.TaskState.ValueType]) -> set[TaskState]:
    """Read a filter of states.

    Raises:
        InvalidRequest: a number is not a state.

    """
    unknown = [number for number in numbers if number not in _STATE_OF]
    if unknown:
        raise InvalidRequest("states", f"{unknown[0]} is not a task state")
    return {_STATE_OF[number] for number in numbers}


def options_from(message: task_pb2.TaskOptions) -> TaskOptions:
    """Read options; ranges and presets are checked in the domain.

    Raises:
        InvalidRequest: a number is not one of its enum's.

    """
    engine = message.engine or task_pb2.ENGINE_AUTO
    if engine not in _ENGINE_OF:
        raise InvalidRequest("options.engine", f"{engine} is not an engine")
    if message.format and message.format not in _FORMAT_OF:
        raise InvalidRequest("options.format", f"{message.format} is not an output format")
    content = message.content or task_pb2.CONTENT_PICTURE
    if content not in _CONTENT_OF:
        raise InvalidRequest("options.content", f"{content} is not a content")
    shadow = message.shadow or task_pb2.SHADOW_NONE
    if shadow not in _SHADOW_OF:
        raise InvalidRequest("options.shadow", f"{shadow} is not a shadow")
    return TaskOptions(
        engine=_ENGINE_OF[engine],
        preset=message.preset or CUSTOM_PRESET,
        format=_FORMAT_OF.get(message.format),
        size_px=message.size_px or None,
        fill=message.fill or None,
        margin=message.margin if message.HasField("margin") else None,
        background=message.background or None,
        shadow=_SHADOW_OF[shadow],
        content=_CONTENT_OF[content],
        prompt=message.prompt,
    )


def options(value: TaskOptions) -> task_pb2.TaskOptions:
    """Turn options into a message."""
    return task_pb2.TaskOptions(
        engine=ENGINES[value.engine],
        preset=value.preset,
        format=task_pb2.OUTPUT_FORMAT_UNSPECIFIED if value.format is None else FORMATS[value.format],
        size_px=value.size_px or 0,
        fill=value.fill or 0,
        margin=value.margin,
        background=value.background or "",
        shadow=SHADOWS[value.shadow],
        content=CONTENTS[value.content],
        prompt=value.prompt,
    )


def preset(value: Preset) -> generator_service_pb2.Preset:
    """Turn a preset into a message."""
    return generator_service_pb2.Preset(
        name=value.name,
        rule=value.rule,
        source=value.source,
        size_px=value.size_px or 0,
        fill=value.fill,
        format=FORMATS[value.format],
        max_bytes=value.max_bytes or 0,
        min_size_px=value.sizes_px[0],
        max_size_px=value.sizes_px[1],
        min_fill=value.fills[0],
        max_fill=value.fills[1],
        formats=[number for form, number in FORMATS.items() if form in value.formats],
        pure_white=value.white,
    )


def input_info(value: InputInfo) -> task_pb2.InputInfo:
    """Turn the description of a photo into a message."""
    return task_pb2.InputInfo(
        filename=value.filename,
        format=value.format,
        width=value.width,
        height=value.height,
        size_bytes=value.size_bytes,
    )


def result_info(value: ResultInfo) -> task_pb2.ResultInfo:
    """Turn the description of a result into a message."""
    return task_pb2.ResultInfo(
        engine=ENGINES[value.engine],
        content_type=value.format.content_type,
        width=value.width,
        height=value.height,
        size_bytes=value.size_bytes,
        confidence=value.confidence,
        fill=value.fill,
        warnings=value.warnings,
        report=None if value.report is None else report(value.report),
    )


def report(value: Report) -> task_pb2.ComplianceReport:
    """Turn a compliance report into a message."""
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
    """Turn a task into a message; with a view, its place in the queue and remaining time are added."""
    message = task_pb2.Task(
        task_id=value.task_id,
        user_id=value.user_id,
        state=STATES[value.state],
        options=options(value.options),
        input=input_info(value.input),
        attempt=value.attempt,
        max_attempts=value.max_attempts,
        priority=value.priority,
        progress=value.progress,
        stage=value.stage,
        seq=value.seq,
        created_at=timestamp(value.created_at),
        updated_at=timestamp(value.updated_at),
        run_at=timestamp(value.run_at),
        started_at=timestamp(value.started_at),
        finished_at=timestamp(value.finished_at),
        timeout=duration(value.timeout),
    )
    if value.result is not None:
        message.result.CopyFrom(result_info(value.result))
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


def event(value: TaskEvent, epoch: str, view: QueueView | None = None) -> event_pb2.TaskEvent:
    """Turn an event into a message."""
    return event_pb2.TaskEvent(
        revision=value.revision,
        seq=value.seq,
        cursor=str(UserCursor(epoch, value.seq)),
        type=EVENT_TYPES[value.type],
        occurred_at=timestamp(value.occurred_at),
        task=task(value.task, view),
    )


def progress(value: Progress, view: QueueView) -> event_pb2.TaskProgress:
    """Turn progress into a message."""
    return event_pb2.TaskProgress(
        task_id=value.task_id,
        user_id=value.user_id,
        attempt=value.attempt,
        progress=value.percent,
        stage=value.stage,
        updated_at=timestamp(value.updated_at),
        queue_position=value.queue_position,
        estimated_remaining=duration(value.remaining or view.remaining_of(value.task_id)),
    )


def watch_item(value: Item, epoch: str, view: QueueView) -> generator_service_pb2.WatchItem:
    """Turn a piece of news into a message."""
    message = generator_service_pb2.WatchItem()
    match value:
        case TaskEvent():
            message.event.CopyFrom(event(value, epoch, view))
        case Progress():
            message.progress.CopyFrom(progress(value, view))
        case Task():
            message.snapshot_task.CopyFrom(task(value, view))
        case SnapshotBegin():
            message.snapshot_begin.reason = GAP_REASONS[value.reason]
        case SnapshotEnd():
            message.snapshot_end.task_count = value.task_count
        case Bookmark():
            message.bookmark.caught_up = value.caught_up
    return message
