"""Conversion between protobuf and models. No other module uses generated messages of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath, PureWindowsPath
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from whitebg import models
from whitebg.v1 import event_pb2, generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers

_Member = TypeVar("_Member")
_Number = TypeVar("_Number")


def _inverse(table: Mapping[_Member, _Number]) -> dict[_Number, _Member]:
    return {number: member for member, number in table.items()}


_STATES_OUT = numbers(models.TaskState, task_pb2.TaskState)
_STATES = _inverse(_STATES_OUT)
_ENGINES_OUT = numbers(models.Engine, task_pb2.Engine)
_ENGINES = _inverse(_ENGINES_OUT) | {
    task_pb2.ENGINE_UNSPECIFIED: models.Engine.AUTO,
    task_pb2.ENGINE_REMBG: models.Engine.NEURAL,  # An older service's name for it.
}
_FORMATS_OUT = numbers(models.OutputFormat, task_pb2.OutputFormat)
_FORMATS = _inverse(_FORMATS_OUT)
_CONTENTS_OUT = numbers(models.Content, task_pb2.Content)
_CONTENTS = _inverse(_CONTENTS_OUT)
_SHADOWS_OUT = numbers(models.Shadow, task_pb2.Shadow)
_SHADOWS = _inverse(_SHADOWS_OUT)
_HINT_KINDS_OUT = numbers(models.HintKind, task_pb2.HintKind)
_HINT_KINDS = _inverse(_HINT_KINDS_OUT)
_VERDICTS = _inverse(numbers(models.Verdict, task_pb2.Verdict))
_RESULT_VERDICTS = _inverse(numbers(models.ResultVerdict, task_pb2.ResultVerdict))
_EVENTS = _inverse(numbers(models.EventType, event_pb2.EventType))
_BREAKER_STATES = _inverse(numbers(models.BreakerState, generator_service_pb2.BreakerState))
_REASONS = _inverse(numbers(models.SnapshotReason, generator_service_pb2.SnapshotReason))
_WAIT_REASONS = _inverse(numbers(models.WaitReason, task_pb2.WaitReason))
_REVIEWS_OUT = numbers(models.Review, task_pb2.Review)
_REVIEWS = _inverse(_REVIEWS_OUT)
_KINDS_OUT = numbers(models.ImageKind, generator_service_pb2.ImageKind)
_ON_GAP_OUT = numbers(models.OnGap, generator_service_pb2.OnGap)


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _wait_reason(number: task_pb2.WaitReason.ValueType) -> models.WaitReason | None:
    return _WAIT_REASONS.get(number, models.WaitReason.UNKNOWN) if number else None


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


def review_to_proto(review: models.Review) -> task_pb2.Review.ValueType:
    """Convert a decision on a result."""
    return _REVIEWS_OUT[review]


def kind_to_proto(kind: models.ImageKind) -> generator_service_pb2.ImageKind.ValueType:
    """Convert an image kind."""
    return _KINDS_OUT[kind]


def on_gap_to_proto(on_gap: models.OnGap) -> generator_service_pb2.OnGap.ValueType:
    """Convert what to do at a gap."""
    return _ON_GAP_OUT[on_gap]


def options_to_proto(options: models.TaskOptions) -> task_pb2.TaskOptions:
    """Convert options; None becomes the field's zero.

    Raises:
        ValueError: the engine, or the kind of a hint, is UNKNOWN, which can't be asked for.

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
        hints=[_hint_to_proto(hint) for hint in options.hints],
        rotation=options.rotation,
        move_x=options.move_x,
        move_y=options.move_y,
        scale=options.scale,
        crop=None if options.crop is None else _region_to_proto(options.crop),
    )


def _hint_to_proto(hint: models.Hint) -> task_pb2.Hint:
    if hint.kind not in _HINT_KINDS_OUT:
        raise ValueError(f"{hint.kind!r} is not a hint to give; use one of {', '.join(_HINT_KINDS_OUT)}")
    return task_pb2.Hint(kind=_HINT_KINDS_OUT[hint.kind], region=_region_to_proto(hint.region))


def _region_to_proto(region: models.Region) -> task_pb2.Region:
    return task_pb2.Region(left=region.left, top=region.top, right=region.right, bottom=region.bottom)


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
        hints=tuple(
            models.Hint(kind=_HINT_KINDS.get(hint.kind, models.HintKind.UNKNOWN), region=_region(hint.region))
            for hint in options.hints
        ),
        rotation=options.rotation,
        move_x=options.move_x,
        move_y=options.move_y,
        scale=options.scale or 1.0,
        crop=_region(options.crop) if options.HasField("crop") else None,
    )


def _region(region: task_pb2.Region) -> models.Region:
    return models.Region(left=region.left, top=region.top, right=region.right, bottom=region.bottom)


def _result(result: task_pb2.ResultInfo) -> models.ResultInfo:
    return models.ResultInfo(
        engine=_ENGINES.get(result.engine, models.Engine.UNKNOWN),
        content_type=result.content_type,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
        fill=result.fill,
        confidence=result.confidence if result.HasField("confidence") else None,
        findings=_findings(result),
        placement=_placement(result.placement) if result.HasField("placement") else None,
        verdict=_RESULT_VERDICTS.get(result.verdict, models.ResultVerdict.UNKNOWN),
        verdict_reasons=tuple(result.verdict_reasons),
        report=_report(result.report) if result.HasField("report") else None,
        mask_size_bytes=result.mask_size_bytes,
    )


def _placement(placement: task_pb2.Placement) -> models.Placement:
    return models.Placement(
        scale=placement.scale,
        x=placement.x,
        y=placement.y,
        photo_width=placement.photo_width,
        photo_height=placement.photo_height,
        rotation=placement.rotation,
    )


def _findings(result: task_pb2.ResultInfo) -> tuple[models.Finding, ...]:
    if not result.findings:  # Services before 0.2 send sentences only.
        return tuple(models.Finding(code="unknown", message=each) for each in result.warnings)
    return tuple(_finding(each) for each in result.findings)


def _finding(finding: task_pb2.Finding) -> models.Finding:
    return models.Finding(
        code=finding.code,
        message=finding.message,
        region=_region(finding.region) if finding.HasField("region") else None,
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


def engine_from_proto(info: generator_service_pb2.EngineInfo) -> models.EngineInfo:
    """Convert an engine's description."""
    return models.EngineInfo(
        engine=_ENGINES.get(info.engine, models.Engine.UNKNOWN),
        available=info.available,
        model=info.model or None,
        hint=info.hint or None,
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
            has_mask=task.input.has_mask,
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
        deadline=_time(task.deadline) if task.HasField("deadline") else None,
        wait_reason=_wait_reason(task.wait_reason),
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
        created_at=_time(batch.created_at),
        closed=batch.closed,
        finished_at=_time(batch.finished_at) if batch.HasField("finished_at") else None,
        pending=batch.pending,
        processing=batch.processing,
        completed=batch.completed,
        failed=batch.failed,
        timed_out=batch.timed_out,
        cancelled=batch.cancelled,
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
        batch=batch_from_proto(event.batch) if event.HasField("batch") else None,
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
    """Convert an image's metadata; folders are stripped from its file name."""
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
        ready=stats.ready,
        not_ready_reasons=tuple(
            models.NotReadyReason(code=reason.code, message=reason.message) for reason in stats.not_ready_reasons
        ),
        queue_stalled=_span(stats.queue_stalled),
        breakers=tuple(_breaker(breaker) for breaker in stats.breakers),
    )


def _breaker(breaker: generator_service_pb2.CircuitBreaker) -> models.CircuitBreaker:
    return models.CircuitBreaker(
        name=breaker.name,
        state=_BREAKER_STATES.get(breaker.state, models.BreakerState.UNKNOWN),
        reason=_wait_reason(breaker.reason),
        message=breaker.message,
        failing_since=_time(breaker.failing_since) if breaker.HasField("failing_since") else None,
        open_until=_time(breaker.open_until) if breaker.HasField("open_until") else None,
    )
