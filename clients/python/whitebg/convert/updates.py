"""Conversion of what a watch sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from whitebg import models
from whitebg.convert.common import inverse, span, utc
from whitebg.convert.tasks import batch_from_proto, task_from_proto, wait_reason_from_proto
from whitebg.v1 import event_pb2, generator_service_pb2
from whitebg_process.proto_enums import numbers

_EVENTS = inverse(numbers(models.EventType, event_pb2.EventType))
_REASONS = inverse(numbers(models.SnapshotReason, generator_service_pb2.SnapshotReason))
_ON_GAP_OUT = numbers(models.OnGap, generator_service_pb2.OnGap)


def on_gap_to_proto(on_gap: models.OnGap) -> generator_service_pb2.OnGap.ValueType:
    """Convert what to do at a gap."""
    return _ON_GAP_OUT[on_gap]


def _progress(progress: event_pb2.TaskProgress, cursor: str) -> models.TaskProgress:
    return models.TaskProgress(
        cursor=cursor,
        task_id=progress.task_id,
        user_id=progress.user_id,
        attempt=progress.attempt,
        progress=progress.progress,
        stage=progress.stage,
        updated_at=utc(progress.updated_at),
        queue_position=progress.queue_position or None,
        estimated_remaining=span(progress.estimated_remaining) if progress.HasField("estimated_remaining") else None,
        wait_reason=wait_reason_from_proto(progress.wait_reason),
        run_at=utc(progress.run_at) if progress.HasField("run_at") else None,
    )


def _event(event: event_pb2.TaskEvent, cursor: str) -> models.TaskEvent:
    return models.TaskEvent(
        cursor=cursor,
        revision=event.revision,
        seq=event.seq,
        type=_EVENTS.get(event.type, models.EventType.UNKNOWN),
        occurred_at=utc(event.occurred_at),
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
