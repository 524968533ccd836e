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


class Engine(StrEnum):
    """Who makes the picture."""

    UNKNOWN = "unknown"
    """An engine newer than this client; only in answers."""
    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    NEURAL = "neural"
    REMBG = NEURAL
    """Deprecated: the name of NEURAL in older releases."""

    @classmethod
    def _missing_(cls, value: object) -> Engine | None:
        return cls.NEURAL if value == "rembg" else None


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
    MASK = "mask"
    """The product's mask: a grey PNG over the upright photo, at most 2048 pixels on its longest side."""


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


class Review(StrEnum):
    """The owner's decision on a result."""

    OPEN = "open"
    """Not decided."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"


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
class Region:
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    bottom: float


class HintKind(StrEnum):
    """What a region of the photo is."""

    UNKNOWN = "unknown"
    """A kind newer than this client; only in answers."""
    KEEP = "keep"
    """Product: everything in it that differs from the backdrop is kept."""
    DROP = "drop"
    """Backdrop: nothing in it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A region of the photo, and its meaning."""

    kind: HintKind
    region: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Options of the picture. None means the preset's value."""

    engine: Engine = Engine.AUTO
    preset: str | None = None
    """Marketplace preset such as ``amazon`` or ``taobao``; None is ``custom``."""
    format: OutputFormat | None = None
    size_px: int | None = None
    """Side of the square result in pixels, 100 to 10,000."""
    fill: float | None = None
    """Share of the side that the product's longest side takes, 0.3 to 1.0."""
    margin: float | None = None
    """Margin per side, as a share of the side, 0 to 0.35; an alternative to the fill."""
    background: str | None = None
    """``#RRGGBB``; None is pure white. Only for pictures."""
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    prompt: str = ""
    """Extra wish for a generative engine, at most 2,000 characters."""
    hints: tuple[Hint, ...] = ()
    """Regions that are product or backdrop for sure, at most 64; a later one wins where two overlap."""
    rotation: float = 0.0
    """Degrees clockwise, -180 to 180. The turned product is fitted to the fill again."""
    move_x: float = 0.0
    """Move to the right, as a share of the side, -0.5 to 0.5; parts that leave the frame are cut off."""
    move_y: float = 0.0
    """Move down, as a share of the side, -0.5 to 0.5."""
    scale: float = 1.0
    """Factor of the fitted size, 0.2 to 4."""
    crop: Region | None = None
    """Region of the photo outside of which nothing is shown; None shows the whole product."""


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
    """The requirement, for a person."""
    message: str
    """The problem and its remedy; empty if passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool
    """Whether no check failed."""
    checks: tuple[ComplianceCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a result that a person should check or know."""

    code: str
    """Stable name in lower_snake_case; ``Finding`` in the proto lists them. ``unknown`` from older services."""
    message: str
    """The problem and its remedy, in English."""
    region: Region | None = None
    """Where in the photo; None where it concerns all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the upright photo maps onto the result, within one pixel: turned around its top left corner, scaled, moved.

    Without a rotation, ``result = photo * scale + (x, y)``, in pixels.
    """

    scale: float
    x: float
    y: float
    photo_width: int
    photo_height: int
    rotation: float = 0.0
    """Degrees by which the photo is turned clockwise, -180 to 180."""


class ResultVerdict(StrEnum):
    """Whether a result can be used."""

    UNKNOWN = "unknown"
    """From services before 0.2, or newer than this client."""
    READY = "ready"
    """Every check passed and nothing casts doubt on the cut-out."""
    NEEDS_REVIEW = "needs_review"
    """It breaks no rule, but a person should look at it before it is used."""
    FAILED = "failed"
    """It breaks a rule of the market or of the request."""


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
    """How far the engine trusts its cut-out, 0 to 1; None if unknown."""
    findings: tuple[Finding, ...] = ()
    """What a person should check or know."""
    report: ComplianceReport | None = None
    """The file measured against its preset's rule; None from older services."""
    placement: Placement | None = None
    """Where the photo lies in the result; None where a model generated the picture, and with older results."""
    verdict: ResultVerdict = ResultVerdict.UNKNOWN
    verdict_reasons: tuple[str, ...] = ()
    """Why it is not READY: names of checks, codes of findings, or what ``verdict_reasons`` in the proto lists."""
    mask_size_bytes: int = 0
    """Size of `ImageKind.MASK`; 0 where there is none, as of generated pictures and from older services."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of ``findings``."""
        return tuple(finding.message for finding in self.findings)


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
        if self.wait_reason is None or self.run_at is None or not self.stage.startswith("waiting"):
            return self.stage
        until, today = self.run_at.astimezone(), datetime.now().astimezone().date()
        return f"{self.stage} until {until:{'%H:%M' if until.date() == today else '%F %H:%M'}}"

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
    """What a deletion did."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image's metadata, which precedes its bytes."""

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
    """A marketplace preset: its settings, and the limits of the marketplace's rule."""

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
class EngineInfo:
    """An engine, and whether the service has it."""

    engine: Engine
    available: bool
    model: str | None
    """The model that it runs; None where it has none, or is not available."""
    hint: str | None
    """Where it is not available: how to get it, and its benefit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReadyReason:
    """One reason why the service is not ready."""

    code: str
    """Stable, such as ``queue_stalled`` or ``disk_full``."""
    message: str


class BreakerState(StrEnum):
    """The condition of a circuit breaker."""

    UNKNOWN = "unknown"
    """A condition newer than this client."""
    CLOSED = "closed"
    OPEN = "open"
    """Not used before ``open_until``; tasks that need it wait."""
    HALF_OPEN = "half_open"
    """One task at a time probes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """An engine or the image store that is not in use."""

    name: str
    """``engine:`` and the engine's name, or ``blobs`` for the image store."""
    state: BreakerState
    reason: WaitReason | None
    """Why it opened."""
    message: str
    """The cause, for a person."""
    failing_since: datetime | None
    open_until: datetime | None


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
    ready: bool = False
    """Whether the service is ready for work; False from older services."""
    not_ready_reasons: tuple[NotReadyReason, ...] = ()
    queue_stalled: timedelta = timedelta()
    """For how long tasks could run, without an attempt that started or ended."""
    breakers: tuple[CircuitBreaker, ...] = ()
    """Those that are not closed."""
