"""A task: one photo on its way to a white background."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from generator_service.domain.report import Report

CUSTOM_PRESET = "custom"
MIN_PRIORITY, MAX_PRIORITY = -10, 10


class TaskState(StrEnum):
    """Where a task stands. `generator_service.domain.transitions.TRANSITIONS` has every way out of each."""

    PENDING = "pending"
    """Waiting for a worker, or for ``run_at``. A claim starts it, a cancellation ends it."""
    PROCESSING = "processing"
    """Held by one worker under a lease. The worker ends it; the reaper requeues it when the lease runs out."""
    COMPLETED = "completed"
    """Terminal: there is a result."""
    FAILED = "failed"
    """Terminal: ``error`` says why."""
    TIMEOUT = "timeout"
    """Terminal: an attempt ran longer than ``timeout``."""
    CANCELLED = "cancelled"
    """Terminal: somebody cancelled it."""

    @property
    def terminal(self) -> bool:
        """Whether the state is never left."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED})


class Engine(StrEnum):
    """Who makes the picture."""

    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    REMBG = "rembg"


class OutputFormat(StrEnum):
    """The file format of a result; the value is the file extension."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        """The MIME type."""
        return "image/jpeg" if self is OutputFormat.JPEG else f"image/{self.value}"


class Content(StrEnum):
    """What of the picture is wanted."""

    PICTURE = "picture"
    """The product on its background."""
    TRANSPARENT = "transparent"
    """The product alone: the background is clear."""
    MASK = "mask"
    """The product's alpha as grey, white where it is solid; it lies pixel for pixel over the picture."""


class Shadow(StrEnum):
    """What the product throws on its background."""

    NONE = "none"
    CONTACT = "contact"
    """A soft, short shadow where it would stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What was asked for. None means: whatever the preset says."""

    engine: Engine = Engine.AUTO
    preset: str = CUSTOM_PRESET
    format: OutputFormat | None = None
    size_px: int | None = None
    """Side of the square result in pixels, 100 to 10,000."""
    fill: float | None = None
    """Share of the side that the product's longest side takes, 0.3 to 1.0."""
    margin: float | None = None
    """The same said otherwise: share of the side left free on each side of the product, 0 to 0.35."""
    background: str | None = None
    """``#RRGGBB``."""
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    prompt: str = ""


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
class InputInfo:
    """What was sent in. Width and height are pixels as stored, before any EXIF rotation."""

    filename: str
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

    @property
    def megapixels(self) -> float:
        """Width × height in millions."""
        return self.width * self.height / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInfo:
    """What came out."""

    engine: Engine
    format: OutputFormat
    width: int
    height: int
    size_bytes: int
    sha256: str
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None = None
    """How far the engine trusts its cut-out, 0 to 1; None where it can't tell."""
    warnings: tuple[str, ...] = ()
    report: Report | None = None
    """The file measured against its preset's rule; None with results of older versions."""
    blob: str
    thumbnail_blob: str
    thumbnail_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task ended without a picture, or why its last attempt did not count."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A request for a task, checked and with its photo stored."""

    user_id: str
    options: TaskOptions
    input: InputInfo
    idempotency_key: str | None = None
    fingerprint: str
    """Hash over all that makes two requests the same; compared when an idempotency key comes again."""
    picture_key: str | None = None
    """Hash over all that makes two pictures the same: the photo and the options."""
    reuse: bool = False
    """Whether a completed task of the same picture may answer in place of a new one."""
    priority: int = 0
    timeout: timedelta
    max_attempts: int


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
    """Earliest next attempt; set while pending."""
    started_at: datetime | None = None
    """Begin of the latest attempt."""
    finished_at: datetime | None = None
    lease_owner: str | None = None
    lease_expires_at: datetime | None = None
    progress: int = 0
    stage: str = ""
    result: ResultInfo | None = None
    error: TaskError | None = None

    @property
    def lease(self) -> Lease:
        """The token that its worker must show; only while processing."""
        if self.lease_owner is None:
            raise ValueError(f"task {self.task_id} is {self.state}, nobody holds it")
        return Lease(task_id=self.task_id, owner=self.lease_owner, attempt=self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to say what becomes of one attempt of a task."""

    task_id: int
    owner: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The latest news of a task between two events; not durable. ``percent`` is 0 to 100."""

    task_id: int
    user_id: str
    attempt: int
    percent: int
    stage: str
    updated_at: datetime
    queue_position: int = field(default=0)
    """Place in the queue, 1 is next; 0 while running."""
    remaining: timedelta | None = None
