"""What a watch yields: events, progress and snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from whitebg.models.tasks import Batch, Task, WaitReason, with_end_of_wait


class EventType(StrEnum):
    """Which transition an event records."""

    UNKNOWN = "unknown"
    """A transition newer than this client."""
    CREATED = "created"
    STARTED = "started"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    """The task waits for something that is not its own fault; no attempt was counted."""
    UPDATED = "updated"
    """The task still waits, with another priority."""
    REVIEWED = "reviewed"
    """The owner decided on the result: ``Task.review``."""
    DELETED = "deleted"
    """The task no longer exists: its last event. The event's task is CANCELLED, with the error code "deleted"."""
    BATCH_FINISHED = "batch_finished"
    """A closed batch has ended: ``TaskEvent.batch``. The event's task is its newest one, unchanged."""


class SnapshotReason(StrEnum):
    """Why a snapshot was sent."""

    UNKNOWN = "unknown"
    """A reason newer than this client."""
    REQUESTED = "requested"
    EPOCH_CHANGED = "epoch_changed"
    """The log was lost or restored."""
    CURSOR_IN_FUTURE = "cursor_in_future"
    CURSOR_TOO_OLD = "cursor_too_old"


class OnGap(StrEnum):
    """Behaviour of a watch whose cursor can't be resumed."""

    SNAPSHOT = "snapshot"
    """Send the tasks as they stand, then go on live."""
    FAIL = "fail"
    """Raise `whitebg.errors.CursorGap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchUpdate:
    """One update of a watch.

    ``cursor`` is where to resume after having taken it in: nothing is lost. Nothing is repeated either, where
    it changed with this update; with `whitebg.client.AsyncClient.watch` itself that is always so.
    """

    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent(WatchUpdate):
    """A durable state change, and the task as it left it. ``seq`` numbers the owner's events without a gap."""

    revision: int
    seq: int
    type: EventType
    occurred_at: datetime
    task: Task
    batch: Batch | None = None
    """The batch that has ended; with BATCH_FINISHED only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress(WatchUpdate):
    """Progress between two events; may be merged. Of a lower attempt, or of an ended task, it is outdated."""

    task_id: int
    user_id: str
    attempt: int
    progress: int
    """Percent done, 0 to 100."""
    stage: str
    updated_at: datetime
    queue_position: int | None = None
    estimated_remaining: timedelta | None = None
    wait_reason: WaitReason | None = None
    """Why the task can't run at present; None while it runs or waits for its turn."""
    run_at: datetime | None = None
    """When that wait is expected to end; None if unknown."""

    @property
    def activity(self) -> str:
        """Return the stage; of a wait with the local time of its expected end, as `Task.activity`."""
        return with_end_of_wait(self.stage, self.wait_reason, self.run_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotBegin(WatchUpdate):
    """Tasks as they stand follow, until `SnapshotEnd`. What you held before is void."""

    reason: SnapshotReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTask(WatchUpdate):
    """A task of the snapshot."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEnd(WatchUpdate):
    """The snapshot is complete."""

    task_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark(WatchUpdate):
    """Nothing happened, but the cursor moved on. ``caught_up``: live updates follow."""

    caught_up: bool
