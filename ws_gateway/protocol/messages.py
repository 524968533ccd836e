"""Messages between gateway and browser: JSON text in both directions. Pure.

Outbound, the base protocol has three types. Every one carries ``task_id``, ``timestamp`` and ``data``:

- ``task_update``: the task is ``pending`` or ``processing``,
- ``task_complete``: it is ``completed``; ``data.result_image_url`` is a signed link,
- ``task_failed``: it is ``failed``; ``data.error_code`` and ``data.error_message`` give the reason. A task that timed
  out or was cancelled counts as failed, with the error code ``timeout`` or ``cancelled``. So does, for clients that
  don't know deletion, a task that was deleted: its error code is ``deleted``, and ``data.deleted`` is true.

When the owner accepts or rejects a result, the task is sent again, with the decision in ``data.review``.
When a batch has ended, its newest task is sent again as it stands, with the batch in ``data.batch``.

``id`` is the cursor after the message: a client that reconnects with it misses nothing. Progress between two events
has none. Of a snapshot only the last message has one, the cursor of the whole: a client that loses the
connection half way through asks with its old cursor and gets the snapshot again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from whitebg.v1 import event_pb2, task_pb2
from whitebg_process.proto_enums import names
from ws_gateway.protocol.cursor import UserCursor


class Phase(Enum):
    """A task's phase in a message, as far as ordering needs it."""

    WAITING = "pending"
    RUNNING = "processing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A durable state, encoded once for all who get it."""

    text: str
    task_id: int
    attempt: int
    phase: Phase
    cursor: UserCursor | None
    """Cursor of the event; None for a task of a snapshot."""
    happened_at: float = 0.0
    """When, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class ProgressMessage:
    """Progress between two events, encoded once for all recipients."""

    text: str
    task_id: int
    attempt: int
    percent: int
    phase: Phase
    happened_at: float = 0.0
    """When, in seconds since 1970."""


_PENDING, _PROCESSING = task_pb2.TASK_STATE_PENDING, task_pb2.TASK_STATE_PROCESSING
STATUS: Mapping[int, str] = {
    _PENDING: "pending",
    _PROCESSING: "processing",
    task_pb2.TASK_STATE_COMPLETED: "completed",
    task_pb2.TASK_STATE_FAILED: "failed",
    task_pb2.TASK_STATE_TIMEOUT: "failed",
    task_pb2.TASK_STATE_CANCELLED: "failed",
}
"""The four words of the browser protocol for the six states."""
TERMINAL_STATES = frozenset(STATUS) - {_PENDING, _PROCESSING}
_ERROR_CODE: Mapping[int, str] = {
    task_pb2.TASK_STATE_TIMEOUT: "timeout",
    task_pb2.TASK_STATE_CANCELLED: "cancelled",
}
WAIT_REASONS: Mapping[int, str] = {
    task_pb2.WAIT_REASON_RATE_LIMITED: "rate_limited",
    task_pb2.WAIT_REASON_ENGINE_UNAVAILABLE: "engine_unavailable",
    task_pb2.WAIT_REASON_STORE_UNAVAILABLE: "store_unavailable",
    task_pb2.WAIT_REASON_WORKER_STOPPED: "worker_stopped",
    task_pb2.WAIT_REASON_LEASE_LOST: "lease_lost",
    task_pb2.WAIT_REASON_PAUSED: "paused",
}
"""Why a task was snoozed, as the browser protocol names it."""
REVIEW_NAMES: Mapping[int, str] = {task_pb2.REVIEW_UNSPECIFIED: "open", **names(task_pb2.Review)}
"""The owner's decisions on a result, as the browser protocol names them."""
_TYPE: Mapping[str, str] = {
    "pending": "task_update",
    "processing": "task_update",
    "completed": "task_complete",
    "failed": "task_failed",
}
_PHASE: Mapping[int, Phase] = {_PENDING: Phase.WAITING, _PROCESSING: Phase.RUNNING}

ImageUrl = Callable[[task_pb2.Task, str], str]
"""Makes the link to one image (``input``, ``result``, ``thumbnail`` or ``mask``) of a task."""


def utc_millis(time: Timestamp) -> str:
    """Return ``2026-01-08T10:00:00.000Z``."""
    return time.ToDatetime().isoformat(timespec="milliseconds") + "Z"


def epoch_seconds(time: Timestamp) -> float:
    """Return a time in seconds since 1970."""
    return time.seconds + time.nanos / 1e9


def seconds(duration: Duration) -> float:
    """Return a duration in seconds, to the millisecond."""
    return round(duration.seconds + duration.nanos / 1e9, 3)


def elapsed(since: Timestamp, until: Timestamp) -> float:
    """Return the seconds between two times, to the millisecond, never below 0."""
    return max(0.0, round(until.seconds - since.seconds + (until.nanos - since.nanos) / 1e9, 3))


def task_data(task: task_pb2.Task, image_url: ImageUrl) -> dict[str, Any]:
    """Return the ``data`` of a message about a task.

    ``elapsed_time`` is in seconds, from submission to the end, or to ``updated_at`` before;
    ``estimated_remaining_seconds`` is null where it is unknown. While pending after a failed attempt, the error is that
    attempt's. A task that waits for more than its turn has ``wait_reason`` and, if known, ``waiting_until``, when the
    wait is expected to end; the error has the cause.
    """
    completed = task.state == task_pb2.TASK_STATE_COMPLETED
    ended = task.HasField("finished_at")
    error = task.error if task.HasField("error") else None
    return {
        "status": STATUS[task.state],
        "progress": task.progress,
        "result_image_url": image_url(task, "result") if completed else None,
        "elapsed_time": elapsed(task.created_at, task.finished_at if ended else task.updated_at),
        "estimated_remaining_seconds": (
            seconds(task.estimated_remaining) if task.HasField("estimated_remaining") else None
        ),
        "error_message": error.message if error else None,
        "updated_at": utc_millis(task.updated_at),
        "attempt": task.attempt,
        "stage": task.stage,
        "queue_position": task.queue_position,
        "error_code": _ERROR_CODE.get(task.state) or (error.code if error else None),
        "seq": task.seq,
        "filename": task.input.filename,
    } | (_wait(task) if not completed else {"review": REVIEW_NAMES[task.review]})


def batch_data(batch: task_pb2.Batch) -> dict[str, Any]:
    """Return a batch as JSON has it: with the number of its tasks in all and by state."""
    counts = {
        name: getattr(batch, name)
        for name in ("pending", "processing", "completed", "failed", "timed_out", "cancelled")
    }
    return {
        "batch_id": batch.batch_id,
        "created_at": utc_millis(batch.created_at),
        "closed": batch.closed,
        "finished_at": utc_millis(batch.finished_at) if batch.HasField("finished_at") else None,
        "total": sum(counts.values()),
        **counts,
    }


def _wait(waiting: task_pb2.Task | event_pb2.TaskProgress) -> dict[str, Any]:
    reason = WAIT_REASONS.get(waiting.wait_reason)
    if reason is None:
        return {}
    until = {"waiting_until": utc_millis(waiting.run_at)} if waiting.HasField("run_at") else {}
    return {"wait_reason": reason} | until


class Encoder:
    """Encodes the service's events as the browser's JSON."""

    def __init__(self, image_url: ImageUrl) -> None:
        self._image_url = image_url

    def event(self, event: event_pb2.TaskEvent) -> TaskMessage:
        """Encode a durable state change; ``id`` is its cursor."""
        more: dict[str, Any] = {}
        if event.type == event_pb2.EVENT_TYPE_DELETED:
            more = {"error_code": event.task.error.code, "deleted": True}
        elif event.HasField("batch"):
            more = {"batch": batch_data(event.batch)}
        return self._task(event.task, event.cursor, UserCursor.parse(event.cursor), **more)

    def snapshot_task(self, task: task_pb2.Task, *, last_of: UserCursor | None = None) -> TaskMessage:
        """Encode a task of a snapshot; the last one gets the snapshot's cursor as ``id``."""
        return self._task(task, None if last_of is None else str(last_of), None)

    def progress(self, progress: event_pb2.TaskProgress, submitted_at: Timestamp | None = None) -> ProgressMessage:
        """Encode progress between two events; ``elapsed_time`` is null if the time of submission is unknown."""
        waits = progress.queue_position > 0 or progress.wait_reason != task_pb2.WAIT_REASON_UNSPECIFIED
        phase = Phase.WAITING if waits else Phase.RUNNING
        body = {
            "type": "task_update",
            "task_id": progress.task_id,
            "timestamp": utc_millis(progress.updated_at),
            "data": {
                "status": phase.value,
                "progress": progress.progress,
                "result_image_url": None,
                "elapsed_time": None if submitted_at is None else elapsed(submitted_at, progress.updated_at),
                "estimated_remaining_seconds": (
                    seconds(progress.estimated_remaining) if progress.HasField("estimated_remaining") else None
                ),
                "error_message": None,
                "updated_at": utc_millis(progress.updated_at),
                "attempt": progress.attempt,
                "stage": progress.stage,
                "queue_position": progress.queue_position,
                "error_code": None,
                # Null where it waits for its turn alone: an earlier reason is void.
                **({"wait_reason": None} | _wait(progress) if waits else {}),
            },
        }
        happened_at = epoch_seconds(progress.updated_at)
        return ProgressMessage(dumps(body), progress.task_id, progress.attempt, progress.progress, phase, happened_at)

    def _task(self, task: task_pb2.Task, message_id: str | None, cursor: UserCursor | None, **more: Any) -> TaskMessage:
        data = task_data(task, self._image_url) | more
        body: dict[str, Any] = {"type": _TYPE[data["status"]]}
        if message_id is not None:
            body["id"] = message_id
        body |= {"task_id": task.task_id, "timestamp": data["updated_at"], "data": data}
        phase = _PHASE.get(task.state, Phase.ENDED)
        return TaskMessage(dumps(body), task.task_id, task.attempt, phase, cursor, epoch_seconds(task.updated_at))


def dumps(body: Mapping[str, Any]) -> str:
    """Encode JSON as the text of a frame."""
    return orjson.dumps(body).decode()


class SyncMode(Enum):
    """How a client is brought up to date."""

    REPLAY = "replay"
    """With every event that it missed."""
    SNAPSHOT = "snapshot"
    """The current tasks follow, because some events are no longer available; they replace the client's state."""


@dataclass(frozen=True, slots=True)
class Page:
    """History that was read for a client."""

    mode: SyncMode
    messages: tuple[TaskMessage, ...]
    head: UserCursor
    """Where the client stands after the messages."""
    reason: str | None = None
    """Why it is a snapshot, such as ``cursor_too_old``; None for a replay."""
    more: bool = False
    """Whether there is more to read after ``head``."""


PONG = dumps({"type": "pong"})


def hello(user_id: str) -> str:
    """Greet a client of the protocol ``whitebg.v2``."""
    return dumps({"type": "hello", "protocol": "whitebg.v2", "user_id": user_id})


def sync_begin(page: Page) -> str:
    """Announce history, with its mode and reason."""
    return dumps({"type": "sync_begin", "mode": page.mode.value, "reason": page.reason})


def sync_end(page: Page) -> str:
    """Announce that the client is up to date; ``head`` is its cursor."""
    return dumps({"type": "sync_end", "mode": page.mode.value, "reason": page.reason, "head": str(page.head)})


def bookmark(cursor: UserCursor) -> str:
    """Give a client without recent events a cursor to resume from."""
    return dumps({"type": "bookmark", "id": str(cursor)})


def token_expiring(seconds_left: float) -> str:
    """Ask for a new token in time; the client answers with ``auth``."""
    return dumps({"type": "token_expiring", "expires_in_seconds": max(0, int(seconds_left))})


def service(*, available: bool) -> str:
    """Report that the generator service became unavailable, or is available again. At the start it is available."""
    return dumps({"type": "service", "available": available})


QUEUE_CHANGED = dumps({"type": "queue_changed"})
"""Hint for operators: read the queue again."""


def going_away(retry_after_ms: int) -> str:
    """Announce a shutdown and when to come back."""
    return dumps({"type": "going_away", "retry_after_ms": retry_after_ms})


def error(code: str, message: str) -> str:
    """Report an error, before the socket is closed because of it."""
    return dumps({"type": "error", "code": code, "message": message})
