"""Tasks and batches of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from whitebg.errors import TaskFailed
from whitebg.models.options import TaskOptions
from whitebg.models.results import ResultInfo


class TaskState(StrEnum):
    """Where a task stands. Terminal states are never left."""

    UNKNOWN = "unknown"
    """A state newer than this client."""
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    """Terminal: the result can be downloaded."""
    FAILED = "failed"
    """Terminal: ``Task.error`` has the reason."""
    TIMEOUT = "timeout"
    """Terminal: an attempt ran longer than allowed."""
    CANCELLED = "cancelled"
    """Terminal: it was cancelled by a user."""

    @property
    def terminal(self) -> bool:
        """Whether the state is never left."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED})


class WaitReason(StrEnum):
    """Why a task was snoozed."""

    UNKNOWN = "unknown"
    """A reason newer than this client."""
    RATE_LIMITED = "rate_limited"
    """The engine's quota is used up for now."""
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    """The image store can't be used."""
    WORKER_STOPPED = "worker_stopped"
    LEASE_LOST = "lease_lost"
    PAUSED = "paused"
    """An operator paused the queue or the engine."""


class Review(StrEnum):
    """The owner's decision on a result."""

    OPEN = "open"
    """Not decided."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputInfo:
    """The submitted photo. Width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int
    has_mask: bool = False
    """Whether the user supplied a mask of the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task ended without a picture, or why its last attempt did not count."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One photo on its way to a white background."""

    task_id: int
    user_id: str
    state: TaskState
    options: TaskOptions
    input: InputInfo
    created_at: datetime
    updated_at: datetime
    """When the state last changed."""
    seq: int
    """Number of the task's latest event in its owner's log."""
    attempt: int = 0
    max_attempts: int = 0
    priority: int = 0
    progress: int = 0
    """Percent done, 0 to 100."""
    stage: str = ""
    result: ResultInfo | None = None
    """Set on COMPLETED only."""
    error: TaskError | None = None
    run_at: datetime | None = None
    """Earliest next attempt; set while pending."""
    started_at: datetime | None = None
    """Begin of the latest attempt."""
    finished_at: datetime | None = None
    timeout: timedelta | None = None
    """How long one attempt may run."""
    queue_position: int | None = None
    """Position in the queue, 1 is next; None when it is not waiting."""
    estimated_remaining: timedelta | None = None
    deadline: datetime | None = None
    """When it fails if it still waits; None from older services."""
    wait_reason: WaitReason | None = None
    """Why it was snoozed; set while pending after a snooze. ``error`` has the cause, ``run_at`` the expected end."""
    failures: int = 0
    """Failed attempts, which ``max_attempts`` bounds."""
    lost_leases: int = 0
    """Attempts whose worker was lost."""
    source_task_id: int | None = None
    """The earlier task whose photo was taken; None if it was uploaded. It may have been deleted since."""
    batch_id: str | None = None
    """The batch that it was submitted to."""
    review: Review = Review.OPEN
    """The owner's decision on the result; each version of a picture has its own."""

    @property
    def activity(self) -> str:
        """Return the stage; of a snoozed task with the local time, such as "waiting for Gemini's quota until 15:04"."""
        return with_end_of_wait(self.stage, self.wait_reason, self.run_at)

    @property
    def elapsed(self) -> timedelta:
        """Return the time from submission to the end, or to the latest change of state."""
        return (self.finished_at or self.updated_at) - self.created_at

    def raise_for_state(self) -> Task:
        """Return the task if it completed or still may.

        Raises:
            TaskFailed: it ended without a picture.

        """
        if not self.state.terminal or self.state is TaskState.COMPLETED:
            return self
        error = self.error or TaskError(code=self.state, message="the service gave no reason")
        raise TaskFailed(self.task_id, self.state, error.code, error.message, retryable=error.retryable)


def with_end_of_wait(stage: str, reason: WaitReason | None, run_at: datetime | None) -> str:
    """Return a stage; of a wait whose end is expected with that local time, and the date unless it is today."""
    if reason is None or run_at is None or not stage.startswith(("waiting", "paused")):
        return stage
    until, today = run_at.astimezone(), datetime.now().astimezone().date()
    return f"{stage} until {until:{'%H:%M' if until.date() == today else '%F %H:%M'}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tasks that were submitted together, and how many there are in each state. Deleted tasks are not counted."""

    batch_id: str
    user_id: str
    created_at: datetime
    """When its first task was submitted."""
    closed: bool
    """Whether no more tasks can be added."""
    finished_at: datetime | None
    """When it was closed and all of its tasks had ended; None before."""
    pending: int
    processing: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int

    @property
    def total(self) -> int:
        """Number of its tasks."""
        return self.ended + self.pending + self.processing

    @property
    def ended(self) -> int:
        """Number of its tasks that have ended."""
        return self.completed + self.failed + self.timed_out + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedTasks:
    """The tasks of a deletion, each in one of the lists."""

    task_ids: tuple[int, ...]
    """Tasks that were deleted."""
    missing: tuple[int, ...] = ()
    """Requested tasks that do not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedTasks:
    """The tasks of a decision, each in one of the lists."""

    task_ids: tuple[int, ...]
    """Tasks that have the decision now."""
    unfinished: tuple[int, ...] = ()
    """Tasks without a result, which are left unchanged."""
    missing: tuple[int, ...] = ()
    """Requested tasks that do not exist."""
