"""Protobuf to models and back. Nobody else touches a generated message of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath, PureWindowsPath

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protos.whitebg.v1 import event_pb2, generator_service_pb2, task_pb2
from whitebg import models

_STATES = {
    task_pb2.TASK_STATE_PENDING: models.TaskState.PENDING,
    task_pb2.TASK_STATE_PROCESSING: models.TaskState.PROCESSING,
    task_pb2.TASK_STATE_COMPLETED: models.TaskState.COMPLETED,
    task_pb2.TASK_STATE_FAILED: models.TaskState.FAILED,
    task_pb2.TASK_STATE_TIMEOUT: models.TaskState.TIMEOUT,
    task_pb2.TASK_STATE_CANCELLED: models.TaskState.CANCELLED,
}
_STATES_OUT = {state: number for number, state in _STATES.items()}
_ENGINES = {
    task_pb2.ENGINE_UNSPECIFIED: models.Engine.AUTO,
    task_pb2.ENGINE_AUTO: models.Engine.AUTO,
    task_pb2.ENGINE_LOCAL: models.Engine.LOCAL,
    task_pb2.ENGINE_GEMINI: models.Engine.GEMINI,
    task_pb2.ENGINE_REMBG: models.Engine.REMBG,
}
_ENGINES_OUT = {engine: number for number, engine in _ENGINES.items()}
_FORMATS = {
    task_pb2.OUTPUT_FORMAT_PNG: models.OutputFormat.PNG,
    task_pb2.OUTPUT_FORMAT_JPEG: models.OutputFormat.JPEG,
    task_pb2.OUTPUT_FORMAT_WEBP: models.OutputFormat.WEBP,
}
_FORMATS_OUT = {format_: number for number, format_ in _FORMATS.items()}
_CONTENTS = {
    task_pb2.CONTENT_PICTURE: models.Content.PICTURE,
    task_pb2.CONTENT_TRANSPARENT: models.Content.TRANSPARENT,
    task_pb2.CONTENT_MASK: models.Content.MASK,
}
_CONTENTS_OUT = {content: number for number, content in _CONTENTS.items()}
_SHADOWS = {
    task_pb2.SHADOW_NONE: models.Shadow.NONE,
    task_pb2.SHADOW_CONTACT: models.Shadow.CONTACT,
}
_SHADOWS_OUT = {shadow: number for number, shadow in _SHADOWS.items()}
_VERDICTS = {
    task_pb2.VERDICT_PASSED: models.Verdict.PASSED,
    task_pb2.VERDICT_WARNED: models.Verdict.WARNED,
    task_pb2.VERDICT_FAILED: models.Verdict.FAILED,
}
_KINDS_OUT = {
    models.ImageKind.INPUT: generator_service_pb2.IMAGE_KIND_INPUT,
    models.ImageKind.RESULT: generator_service_pb2.IMAGE_KIND_RESULT,
    models.ImageKind.THUMBNAIL: generator_service_pb2.IMAGE_KIND_THUMBNAIL,
}
_EVENTS = {
    event_pb2.EVENT_TYPE_CREATED: models.EventType.CREATED,
    event_pb2.EVENT_TYPE_STARTED: models.EventType.STARTED,
    event_pb2.EVENT_TYPE_RETRYING: models.EventType.RETRYING,
    event_pb2.EVENT_TYPE_COMPLETED: models.EventType.COMPLETED,
    event_pb2.EVENT_TYPE_FAILED: models.EventType.FAILED,
    event_pb2.EVENT_TYPE_TIMED_OUT: models.EventType.TIMED_OUT,
    event_pb2.EVENT_TYPE_CANCELLED: models.EventType.CANCELLED,
}
_REASONS = {
    generator_service_pb2.SNAPSHOT_REASON_REQUESTED: models.SnapshotReason.REQUESTED,
    generator_service_pb2.SNAPSHOT_REASON_EPOCH_CHANGED: models.SnapshotReason.EPOCH_CHANGED,
    generator_service_pb2.SNAPSHOT_REASON_CURSOR_IN_FUTURE: models.SnapshotReason.CURSOR_IN_FUTURE,
    generator_service_pb2.SNAPSHOT_REASON_CURSOR_TOO_OLD: models.SnapshotReason.CURSOR_TOO_OLD,
}
_ON_GAP_OUT = {
    models.OnGap.SNAPSHOT: generator_service_pb2.ON_GAP_SNAPSHOT,
    models.OnGap.FAIL: generator_service_pb2.ON_GAP_FAIL,
}


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _span(duration: Duration) -> timedelta:
    return duration.ToTimedelta()


def state_to_proto(state: models.TaskState) -> task_pb2.TaskState.ValueType:
    """Convert a state.

    Raises:
        ValueError: it is UNKNOWN, which can't be asked for.

    """
    if state not in _STATES_OUT:
        raise ValueError(f"{state!r} is not a state to ask for; ask for one of {', '.join(_STATES_OUT)}")
    return _STATES_OUT[state]


def kind_to_proto(kind: models.ImageKind) -> generator_service_pb2.ImageKind.ValueType:
    """Convert an image kind."""
    return _KINDS_OUT[kind]


def on_gap_to_proto(on_gap: models.OnGap) -> generator_service_pb2.OnGap.ValueType:
    """Convert what to do at a gap."""
    return _ON_GAP_OUT[on_gap]


def options_to_proto(options: models.TaskOptions) -> task_pb2.TaskOptions:
    """Convert options; None becomes the field's zero.

    Raises:
        ValueError: the engine is UNKNOWN, which can't be asked for.

    """
    if options.engine not in _ENGINES_OUT:
        raise ValueError(f"{options.engine!r} is not an engine to ask for; ask for one of {', '.join(_ENGINES_OUT)}")
    return task_pb2.TaskOptions(
        engine=_ENGINES_OUT[options.engine],
        preset=options.preset or "",
        format=_FORMATS_OUT[options.format] if options.format else task_pb2.OUTPUT_FORMAT_UNSPECIFIED,
        size_px=options.size_px or 0,
        fill=options.fill or 0.0,
        margin=options.margin,
        background=options.background or "",
        shadow=_SHADOWS_OUT[options.shadow],
        content=_CONTENTS_OUT[options.content],
        prompt=options.prompt,
    )


def options_from_proto(options: task_pb2.TaskOptions) -> models.TaskOptions:
    """Convert options; a field's zero becomes None."""
    return models.TaskOptions(
        engine=_ENGINES.get(options.engine, models.Engine.UNKNOWN),
        preset=options.preset or None,
        format=_FORMATS.get(options.format),
        size_px=options.size_px or None,
        fill=options.fill or None,
        margin=options.margin if options.HasField("margin") else None,
        background=options.background or None,
        shadow=_SHADOWS.get(options.shadow, models.Shadow.NONE),
        content=_CONTENTS.get(options.content, models.Content.PICTURE),
        prompt=options.prompt,
    )


def _result(result: task_pb2.ResultInfo) -> models.ResultInfo:
    return models.ResultInfo(
        engine=_ENGINES.get(result.engine, models.Engine.UNKNOWN),
        content_type=result.content_type,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
        fill=result.fill,
        confidence=result.confidence if result.HasField("confidence") else None,
        warnings=tuple(result.warnings),
        report=_report(result.report) if result.HasField("report") else None,
    )


def _report(report: task_pb2.ComplianceReport) -> models.ComplianceReport:
    return models.ComplianceReport(
        preset=report.preset,
        passed=report.passed,
        checks=tuple(
            models.ComplianceCheck(
                name=check.name,
                verdict=_VERDICTS.get(check.verdict, models.Verdict.UNKNOWN),
                value=check.value if check.HasField("value") else None,
                limit=check.limit,
                message=check.message,
            )
            for check in report.checks
        ),
    )


def preset_from_proto(preset: generator_service_pb2.Preset) -> models.Preset:
    """Convert a preset; formats newer than this client are left out."""
    return models.Preset(
        name=preset.name,
        rule=preset.rule,
        source=preset.source,
        size_px=preset.size_px or None,
        fill=preset.fill,
        format=_FORMATS.get(preset.format, models.OutputFormat.PNG),
        max_bytes=preset.max_bytes or None,
        sizes_px=(preset.min_size_px, preset.max_size_px),
        fills=(preset.min_fill, preset.max_fill),
        formats=tuple(_FORMATS[each] for each in preset.formats if each in _FORMATS),
        pure_white=preset.pure_white,
    )


def task_from_proto(task: task_pb2.Task) -> models.Task:
    """Convert a task."""
    return models.Task(
        task_id=task.task_id,
        user_id=task.user_id,
        state=_STATES.get(task.state, models.TaskState.UNKNOWN),
        options=options_from_proto(task.options),
        input=models.InputInfo(
            filename=task.input.filename,
            format=task.input.format,
            width=task.input.width,
            height=task.input.height,
            size_bytes=task.input.size_bytes,
        ),
        created_at=_time(task.created_at),
        updated_at=_time(task.updated_at),
        seq=task.seq,
        attempt=task.attempt,
        max_attempts=task.max_attempts,
        priority=task.priority,
        progress=task.progress,
        stage=task.stage,
        result=_result(task.result) if task.HasField("result") else None,
        error=models.TaskError(code=task.error.code, message=task.error.message, retryable=task.error.retryable)
        if task.HasField("error")
        else None,
        run_at=_time(task.run_at) if task.HasField("run_at") else None,
        started_at=_time(task.started_at) if task.HasField("started_at") else None,
        finished_at=_time(task.finished_at) if task.HasField("finished_at") else None,
        timeout=_span(task.timeout) if task.HasField("timeout") else None,
        queue_position=task.queue_position or None,
        estimated_remaining=_span(task.estimated_remaining) if task.HasField("estimated_remaining") else None,
    )


def _progress(progress: event_pb2.TaskProgress, cursor: str) -> models.TaskProgress:
    return models.TaskProgress(
        cursor=cursor,
        task_id=progress.task_id,
        user_id=progress.user_id,
        attempt=progress.attempt,
        progress=progress.progress,
        stage=progress.stage,
        updated_at=_time(progress.updated_at),
        queue_position=progress.queue_position or None,
        estimated_remaining=_span(progress.estimated_remaining) if progress.HasField("estimated_remaining") else None,
    )


def _event(event: event_pb2.TaskEvent, cursor: str) -> models.TaskEvent:
    return models.TaskEvent(
        cursor=cursor,
        revision=event.revision,
        seq=event.seq,
        type=_EVENTS.get(event.type, models.EventType.UNKNOWN),
        occurred_at=_time(event.occurred_at),
        task=task_from_proto(event.task),
    )


def _snapshot_begin(item: generator_service_pb2.WatchItem, cursor: str) -> models.WatchUpdate:
    reason = _REASONS.get(item.snapshot_begin.reason, models.SnapshotReason.UNKNOWN)
    return models.SnapshotBegin(cursor=cursor, reason=reason)


_ITEMS: dict[str, Callable[[generator_service_pb2.WatchItem, str], models.WatchUpdate]] = {
    "event": lambda item, cursor: _event(item.event, cursor),
    "progress": lambda item, cursor: _progress(item.progress, cursor),
    "snapshot_begin": _snapshot_begin,
    "snapshot_task": lambda item, cursor: models.SnapshotTask(cursor=cursor, task=task_from_proto(item.snapshot_task)),
    "snapshot_end": lambda item, cursor: models.SnapshotEnd(cursor=cursor, task_count=item.snapshot_end.task_count),
    "bookmark": lambda item, cursor: models.Bookmark(cursor=cursor, caught_up=item.bookmark.caught_up),
}


def updates_from_proto(
    response: generator_service_pb2.WatchTasksResponse, cursor: str, *, all_users: bool
) -> Iterator[models.WatchUpdate]:
    """Convert a batch; each update carries the cursor that is safe after it.

    Within a batch that is the event's own cursor in one user's log, else the one before; the last update of a
    batch carries the batch's. Kinds unknown to this client are left out.
    """
    last = len(response.items) - 1
    for place, item in enumerate(response.items):
        if place == last:
            cursor = response.cursor or cursor
        elif item.HasField("event") and not all_users:
            cursor = item.event.cursor or cursor
        convert = _ITEMS.get(item.WhichOneof("item") or "")
        if convert is not None:
            yield convert(item, cursor)


def image_info_from_proto(info: generator_service_pb2.ImageInfo) -> models.ImageInfo:
    """Convert what an image is; the file name loses any folder, whatever the other side says."""
    name = PureWindowsPath(PurePosixPath(info.filename).name).name
    return models.ImageInfo(
        content_type=info.content_type,
        size_bytes=info.size_bytes,
        etag=info.etag,
        filename=name.lstrip(".") or "image",
    )


def stats_from_proto(stats: generator_service_pb2.GetQueueStatsResponse) -> models.QueueStats:
    """Convert the queue's state."""
    return models.QueueStats(
        states={_STATES.get(count.state, models.TaskState.UNKNOWN): count.count for count in stats.states},
        oldest_pending_age=_span(stats.oldest_pending_age),
        epoch=stats.epoch,
        head_revision=stats.head_revision,
        tail_revision=stats.tail_revision,
        watchers=stats.watchers,
        ring_events=stats.ring_events,
        database_replays=stats.database_replays,
        process_started_at=_time(stats.process_started_at),
    )
