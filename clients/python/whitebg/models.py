"""What you get from the service and give to it: plain frozen values. Times are UTC, durations are `timedelta`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from whitebg.errors import TaskFailed


class TaskState(StrEnum):
    """Where a task stands. Terminal states are never left."""

    UNKNOWN = "unknown"
    """A state newer than this client."""
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    """Terminal: the result can be downloaded."""
    FAILED = "failed"
    """Terminal: ``Task.error`` says why."""
    TIMEOUT = "timeout"
    """Terminal: an attempt ran longer than allowed."""
    CANCELLED = "cancelled"
    """Terminal: somebody cancelled it."""

    @property
    def terminal(self) -> bool:
        """Whether the state is never left."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED})


class Engine(StrEnum):
    """Who makes the picture."""

    UNKNOWN = "unknown"
    """An engine newer than this client; only in answers."""
    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    REMBG = "rembg"


class OutputFormat(StrEnum):
    """The file format of a result; the value is the usual file extension."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"


class Content(StrEnum):
    """What of the picture is wanted."""

    PICTURE = "picture"
    """The product on its background."""
    TRANSPARENT = "transparent"
    """The product alone, its background clear; PNG or WebP."""
    MASK = "mask"
    """The product's alpha as grey; it lies pixel for pixel over the picture that the same options make."""


class Shadow(StrEnum):
    """What the product throws on its background."""

    NONE = "none"
    CONTACT = "contact"
    """A soft, short shadow where it would stand."""


class ImageKind(StrEnum):
    """Which image of a task."""

    INPUT = "input"
    RESULT = "result"
    THUMBNAIL = "thumbnail"


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
    """What a watch does when its cursor can't be resumed."""

    SNAPSHOT = "snapshot"
    """Send the tasks as they stand, then go on live."""
    FAIL = "fail"
    """Raise `whitebg.errors.CursorGap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What the picture should be. None means: whatever the preset says."""

    engine: Engine = Engine.AUTO
    preset: str | None = None
    """Marketplace preset such as ``amazon`` or ``taobao``; None is ``custom``."""
    format: OutputFormat | None = None
    size_px: int | None = None
    """Side of the square result in pixels, 100 to 10,000."""
    fill: float | None = None
    """Share of the side that the product's longest side takes, 0.3 to 1.0."""
    margin: float | None = None
    """The fill said otherwise: share of the side left free on each side, 0 to 0.35."""
    background: str | None = None
    """``#RRGGBB``; None is pure white. Only for pictures."""
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    prompt: str = ""
    """Extra wish for a generative engine, at most 2,000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputInfo:
    """What was sent in. Width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int


class Verdict(StrEnum):
    """How one check of a result came out."""

    UNKNOWN = "unknown"
    """A verdict newer than this client."""
    PASSED = "passed"
    WARNED = "warned"
    """A person should look, but no rule of the market is broken."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceCheck:
    """One check of a result. What ``value`` counts goes with the name; see ``ComplianceCheck`` in the proto."""

    name: str
    verdict: Verdict
    value: float | None
    limit: str
    """What is asked for, for a person."""
    message: str
    """What is wrong and what to do about it; empty if passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool
    """Whether no check failed."""
    checks: tuple[ComplianceCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInfo:
    """What came out."""

    engine: Engine
    content_type: str
    width: int
    height: int
    size_bytes: int
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None = None
    """How far the engine trusts its cut-out, 0 to 1; None where it can't tell."""
    warnings: tuple[str, ...] = ()
    report: ComplianceReport | None = None
    """The file measured against its preset's rule; None from older services."""


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
    """Place in the queue, 1 is next; None when it is not waiting."""
    estimated_remaining: timedelta | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchUpdate:
    """One piece of news.

    ``cursor`` is where to resume after having taken it in: nothing is lost. Nothing is repeated either, where
    it changed with this update; with `whitebg.client.GeneratorClient.watch` itself that is always so.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress(WatchUpdate):
    """Progress between two events; may be merged. Of a lower attempt, or of a task that ended, it is old news."""

    task_id: int
    user_id: str
    attempt: int
    progress: int
    """Percent done, 0 to 100."""
    stage: str
    updated_at: datetime
    queue_position: int | None = None
    estimated_remaining: timedelta | None = None


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
    """Nothing happened, but the cursor moved on. ``caught_up``: what follows is live."""

    caught_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What an image is, before its bytes."""

    content_type: str
    size_bytes: int
    etag: str
    """Equal etags mean equal bytes."""
    filename: str
    """A name to save it under; never a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ImageInfo):
    """An image with its bytes."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A marketplace preset: what is made for the market, and what its rule takes."""

    name: str
    rule: str
    source: str
    """Where the rule was read."""
    size_px: int | None
    """Side of the square that is made; None: as large as the product's own pixels allow."""
    fill: float
    format: OutputFormat
    max_bytes: int | None
    sizes_px: tuple[int, int]
    """Smallest and largest side that the rule takes."""
    fills: tuple[float, float]
    formats: tuple[OutputFormat, ...]
    pure_white: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """Queue, log and watchers at a glance."""

    states: dict[TaskState, int]
    """Kept tasks by state."""
    oldest_pending_age: timedelta
    epoch: str
    head_revision: int
    tail_revision: int
    watchers: int
    ring_events: int
    database_replays: int
    process_started_at: datetime
