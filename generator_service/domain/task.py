"""A task: one photo on its way to a white background."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from generator_service.domain.finding import Finding
from generator_service.domain.placement import Placement
from generator_service.domain.report import Report
from generator_service.domain.task_options import Engine, OutputFormat, TaskOptions
from generator_service.domain.usage import Usage

MIN_PRIORITY, MAX_PRIORITY = -10, 10


class TaskState(StrEnum):
    """State of a task. `generator_service.domain.transitions.TRANSITIONS` lists the transitions between states."""

    PENDING = "pending"
    """Waiting for a worker, or for ``run_at``. A claim starts it, a cancellation ends it."""
    PROCESSING = "processing"
    """Held by one worker under a lease. The worker ends it; the reaper requeues it when the lease runs out."""
    COMPLETED = "completed"
    """Terminal: there is a result."""
    FAILED = "failed"
    """Terminal: no result; ``error`` has the reason."""
    TIMEOUT = "timeout"
    """Terminal: an attempt ran longer than ``timeout``."""
    CANCELLED = "cancelled"
    """Terminal: cancelled on request."""

    @property
    def terminal(self) -> bool:
        """Whether the state is final."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED})


class Review(StrEnum):
    """The owner's decision on a result."""

    OPEN = "open"
    """Not decided."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class WaitReason(StrEnum):
    """Why a task was snoozed: the cause lies outside the task, so no attempt is counted."""

    RATE_LIMITED = "rate_limited"
    """The engine's quota is used up for now."""
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    """The image store can't be used."""
    WORKER_STOPPED = "worker_stopped"
    """Its worker shut down."""
    LEASE_LOST = "lease_lost"
    """Its worker stopped renewing the lease."""
    PAUSED = "paused"
    """An operator paused the queue or the engine. Shown for waiting tasks, never stored with one."""


_CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskInfo:
    """The product's mask, as the user supplied it."""

    format: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    blob: str
    """Key in the blob store."""

    @property
    def content_type(self) -> str:
        """The MIME type."""
        return _CONTENT_TYPES.get(self.format, "application/octet-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputInfo:
    """The submitted photo. Width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    blob: str
    """Key in the blob store."""
    mask: MaskInfo | None = None
    """The product's mask, which replaces the engine's outline; None if the user supplied none."""

    @property
    def content_type(self) -> str:
        """The MIME type."""
        return _CONTENT_TYPES.get(self.format, "application/octet-stream")

    @property
    def megapixels(self) -> float:
        """Width × height in millions."""
        return self.width * self.height / 1e6

    @property
    def stored_bytes(self) -> int:
        """Bytes of photo and mask."""
        return self.size_bytes + (0 if self.mask is None else self.mask.size_bytes)

    @property
    def blobs(self) -> tuple[str, ...]:
        """Keys of photo and mask in the blob store."""
        return (self.blob,) if self.mask is None else (self.blob, self.mask.blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInfo:
    """The result of a task."""

    engine: Engine
    format: OutputFormat
    width: int
    height: int
    size_bytes: int
    sha256: str
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None = None
    """The engine's confidence in its cut-out, 0 to 1; None if it has no estimate."""
    findings: tuple[Finding, ...] = ()
    """Findings for a person to check or know."""
    report: Report | None = None
    """The file measured against its preset's rule; None with results of older versions."""
    placement: Placement | None = None
    """Where the photo lies in the result; None where a model generated the picture, and with older results."""
    blob: str
    thumbnail_blob: str
    thumbnail_bytes: int
    mask_blob: str | None = None
    """Key of the product's mask, a grey PNG over the upright photo; None where there is none."""
    mask_bytes: int = 0

    @property
    def stored_bytes(self) -> int:
        """Bytes of the result's images."""
        return self.size_bytes + self.thumbnail_bytes + self.mask_bytes

    @property
    def blobs(self) -> tuple[str, ...]:
        """Keys of the result's images in the blob store."""
        return (self.blob, self.thumbnail_blob, *(() if self.mask_blob is None else (self.mask_blob,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task ended without a picture, or why its last attempt did not count."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A validated request for a task whose photo is stored."""

    user_id: str
    options: TaskOptions
    input: InputInfo
    idempotency_key: str | None = None
    fingerprint: str
    """Hash that identifies equal requests; compared when an idempotency key is used again."""
    older_fingerprints: tuple[str, ...] = ()
    """The same request hashed by the rules of earlier releases, which may have stored it."""
    picture_key: str | None = None
    """Hash that identifies equal pictures, over the photo and the options."""
    older_picture_keys: tuple[str, ...] = ()
    """The same picture hashed by the rules of earlier releases."""
    reuse: bool = False
    """Whether a completed task with the same picture may be returned instead of a new one."""
    priority: int = 0
    timeout: timedelta
    max_attempts: int
    deadline: timedelta = timedelta(hours=24)
    """Time from its earliest start after which a task that is still waiting fails."""
    delay: timedelta = timedelta()
    """Time from creation to the earliest start."""
    source_task_id: int | None = None
    """The earlier task whose photo is reused; None if the photo was uploaded."""
    batch_id: str | None = None
    """The batch to which the task is added."""
    closes_batch: bool = False
    """Whether the batch, if it begins with this request, is closed: no later request may add to it."""
    shares_input: bool = False
    """Whether photo and mask are stored images of the task ``source_task_id``, which must still exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One photo on its way to a white background, as its latest event left it. Times are UTC."""

    task_id: int
    user_id: str
    state: TaskState
    options: TaskOptions
    input: InputInfo
    priority: int
    timeout: timedelta
    max_attempts: int
    created_at: datetime
    updated_at: datetime
    """When the state last changed."""
    seq: int = 0
    """Number of the task's latest event in its user's log."""
    attempt: int = 0
    """The latest attempt, from 1; 0 before the first claim. Together with ``lease_owner``, the fencing token."""
    run_at: datetime | None = None
    """Earliest next attempt, in queue time (see `generator_service.store.queue_clock`); None: at once."""
    deadline: datetime | None = None
    """When the task fails if it is still waiting, in queue time; None for tasks of older versions."""
    wait_reason: WaitReason | None = None
    """Why it was snoozed; set while pending after a snooze. ``error`` has the actual cause."""
    failures: int = 0
    """Failed attempts, limited by ``max_attempts``. Snoozed attempts are not counted."""
    lost_leases: int = 0
    """Attempts whose worker was lost."""
    started_at: datetime | None = None
    """Start of the latest attempt."""
    finished_at: datetime | None = None
    lease_owner: str | None = None
    assigned_engine: Engine | None = None
    """The engine that the claim chose for the running attempt, by which `EngineLimit` counts; never AUTO."""
    lease_expires_at: datetime | None = None
    """When the attempt counts as lost, in queue time; set while processing."""
    progress: int = 0
    stage: str = ""
    result: ResultInfo | None = None
    error: TaskError | None = None
    source_task_id: int | None = None
    """The earlier task whose photo is reused, which may have been deleted since; None if the photo was uploaded."""
    batch_id: str | None = None
    """The batch that it was submitted to."""
    review: Review = Review.OPEN
    """The owner's decision on the result."""
    attempt_usage: Usage | None = None
    """Usage of the running attempt up to its latest heartbeat; the event that ends the attempt counts it."""

    @property
    def stored_bytes(self) -> int:
        """Bytes of its images."""
        return self.input.stored_bytes + (0 if self.result is None else self.result.stored_bytes)

    @property
    def blobs(self) -> tuple[str, ...]:
        """Keys of its images in the blob store."""
        return self.input.blobs + (() if self.result is None else self.result.blobs)

    @property
    def guided(self) -> bool:
        """Whether the owner supplied a mask, hints or a crop, which apply to the photo and to no generated picture."""
        return self.input.mask is not None or bool(self.options.hints) or self.options.crop is not None

    @property
    def lease(self) -> Lease:
        """The token with which the worker proves its claim; only while processing."""
        if self.lease_owner is None:
            raise ValueError(f"task {self.task_id} is {self.state}, nobody holds it")
        return Lease(task_id=self.task_id, owner=self.lease_owner, attempt=self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to record the outcome of one attempt of a task."""

    task_id: int
    owner: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The latest progress of a task between two events; not durable. ``percent`` is 0 to 100."""

    task_id: int
    user_id: str
    attempt: int
    percent: int
    stage: str
    updated_at: datetime
    queue_position: int = field(default=0)
    """1 is next; 0 while running, or while waiting for ``wait_reason``."""
    remaining: timedelta | None = None
    wait_reason: WaitReason | None = None
    """Why it can't run at present."""
    run_at: datetime | None = None
    """When that wait is expected to end; None if unknown."""
