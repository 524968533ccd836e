"""What the HTTP API takes and gives, as models that also make its documentation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, WithJsonSchema, model_validator
from pydantic_core import from_json

from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names, numbers
from ws_gateway.protocol.messages import TERMINAL_STATES, ImageUrl, batch_data, task_data, utc_millis


class EngineName(StrEnum):
    """Who makes the picture."""

    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    NEURAL = "neural"
    REMBG = "rembg"
    """Deprecated: the name of NEURAL in older releases."""


class FormatName(StrEnum):
    """The file format of a result."""

    PNG = "png"
    JPEG = "jpeg"
    JPG = "jpg"
    WEBP = "webp"


class ContentName(StrEnum):
    """What of the picture is wanted: all of it, the product alone, or its alpha as grey."""

    PICTURE = "picture"
    TRANSPARENT = "transparent"
    MASK = "mask"


class ShadowName(StrEnum):
    """What the product throws on its background."""

    NONE = "none"
    CONTACT = "contact"


_ENGINE = numbers(EngineName, task_pb2.Engine)
ENGINE_NAMES = {task_pb2.ENGINE_UNSPECIFIED: "auto", **names(task_pb2.Engine)}
_FORMAT = {
    name: task_pb2.OutputFormat.Value(f"OUTPUT_FORMAT_{name.name.replace('JPG', 'JPEG')}") for name in FormatName
}
FORMAT_NAMES = names(task_pb2.OutputFormat)
_CONTENT, _CONTENT_NAME = numbers(ContentName, task_pb2.Content), names(task_pb2.Content)
_SHADOW, _SHADOW_NAME = numbers(ShadowName, task_pb2.Shadow), names(task_pb2.Shadow)


class RegionOut(BaseModel):
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, region: task_pb2.Region) -> RegionOut:
        """Read a region of the service."""
        return cls(left=region.left, top=region.top, right=region.right, bottom=region.bottom)

    def to_proto(self) -> task_pb2.Region:
        """Return the region as the service takes it."""
        return task_pb2.Region(**self.model_dump())


class HintKindName(StrEnum):
    """What a region of the photo is: product that is kept, or backdrop that is dropped."""

    KEEP = "keep"
    DROP = "drop"


class HintOut(BaseModel):
    """A region of the photo, and its meaning."""

    model_config = ConfigDict(extra="forbid")

    kind: HintKindName
    region: RegionOut

    @classmethod
    def of(cls, hint: task_pb2.Hint) -> HintOut:
        """Read a hint of the service."""
        return cls(kind=_HINT_KIND_NAME[hint.kind], region=RegionOut.of(hint.region))

    def to_proto(self) -> task_pb2.Hint:
        """Return the hint as the service takes it."""
        return task_pb2.Hint(kind=_HINT_KIND[self.kind], region=self.region.to_proto())


_HINT_KIND = numbers(HintKindName, task_pb2.HintKind)
_HINT_KIND_NAME = {value: name for name, value in _HINT_KIND.items()}


def _from_form(value: object) -> object:
    """Read an object that a form holds as JSON text."""
    return from_json(value) if isinstance(value, str) else value


class PictureOptions(BaseModel):
    """Options of the picture. The preset determines those left out."""

    model_config = ConfigDict(extra="forbid")

    engine: EngineName = EngineName.AUTO
    preset: str = Field("", max_length=64, description='Marketplace preset, such as "amazon"; empty is "custom"')
    format: FormatName | None = None
    size_px: int | None = Field(None, ge=1, le=100_000, description="Side of the square in pixels, 100 to 10000")
    fill: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Share of the side that the product takes, 0.3 to 1.0"
    )
    margin: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Margin per side, 0 to 0.35; an alternative to the fill"
    )
    background: str = Field("", max_length=32, description='"#RRGGBB"; empty is pure white')
    shadow: ShadowName = Field(ShadowName.NONE, description="A soft shadow where the product would stand, or none")
    content: ContentName = Field(
        ContentName.PICTURE, description="The picture, the product alone on nothing, or its mask; these two are PNG"
    )
    prompt: str = Field("", description="Extra wish for a generative engine, at most 2000 characters")
    rotation: float = Field(0.0, allow_inf_nan=False, description="Degrees clockwise, -180 to 180")
    move_x: float = Field(0.0, allow_inf_nan=False, description="Move to the right, a share of the side, -0.5 to 0.5")
    move_y: float = Field(0.0, allow_inf_nan=False, description="Move down, a share of the side, -0.5 to 0.5")
    scale: float = Field(1.0, gt=0, allow_inf_nan=False, description="Factor of the fitted size, 0.2 to 4")
    crop: Annotated[RegionOut | None, BeforeValidator(_from_form)] = Field(
        None, description="Region of the photo that is shown, as JSON in a form; null: the whole product"
    )

    def to_proto(self, hints: Sequence[HintOut] = ()) -> task_pb2.TaskOptions:
        """Return the options as the service takes them."""
        return task_pb2.TaskOptions(
            engine=_ENGINE[self.engine],
            preset=self.preset,
            format=task_pb2.OUTPUT_FORMAT_UNSPECIFIED if self.format is None else _FORMAT[self.format],
            size_px=self.size_px or 0,
            fill=self.fill or 0.0,
            margin=self.margin,
            background=self.background,
            shadow=_SHADOW[self.shadow],
            content=_CONTENT[self.content],
            prompt=self.prompt,
            hints=[hint.to_proto() for hint in hints],
            rotation=self.rotation,
            move_x=self.move_x,
            move_y=self.move_y,
            scale=self.scale,
            crop=None if self.crop is None else self.crop.to_proto(),
        )


_MORE_OPTIONS = {
    "type": "string",
    "default": "[]",
    "description": "Options of further pictures of the same photo, such as for other markets, at most 19, as JSON: "
    '[{"preset": "taobao"}, {"preset": "jd", "format": "png"}, …]; each has the fields of this form, and its hints',
    "contentMediaType": "application/json",
}


class OptionsForm(PictureOptions):
    """Options of one or several pictures, as form fields."""

    hints: Annotated[
        Json[list[HintOut]],
        WithJsonSchema(
            {
                "type": "string",
                "default": "[]",
                "description": "Regions that are product or backdrop for sure, at most 64, as JSON: "
                '[{"kind": "keep" or "drop", "region": {"left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6}}, …]; '
                "shares of the upright photo from 0 to 1, and a later one wins where two overlap",
                "contentMediaType": "application/json",
            }
        ),
    ] = Field("[]", validate_default=True)
    more_options: Annotated[Json[list[PictureOptions]], WithJsonSchema(_MORE_OPTIONS)] = Field(
        "[]", validate_default=True
    )

    def outputs(self) -> list[task_pb2.TaskOptions]:
        """Return the options of all pictures as the service takes them, the form's own first."""
        return [each.to_proto(self.hints) for each in (self, *self.more_options)]


class OptionsOut(BaseModel):
    """The requested options; null where the preset determines the value, or there is no crop."""

    engine: str
    preset: str
    format: str | None
    size_px: int | None
    fill: float | None
    margin: float | None
    background: str | None
    shadow: str
    content: str
    prompt: str
    hints: list[HintOut] = Field(description="Regions that are product or backdrop for sure")
    rotation: float
    move_x: float
    move_y: float
    scale: float
    crop: RegionOut | None


class InputOut(BaseModel):
    """The submitted photo; width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int
    has_mask: bool = Field(description="Whether the user supplied a mask of the product")


class CheckOut(BaseModel):
    """One check of a result."""

    name: str = Field(description="Stable; the proto's ComplianceCheck defines `value`", examples=["border"])
    verdict: Literal["passed", "warned", "failed"]
    value: float | None
    limit: str = Field(description="Requirement, for people")
    message: str = Field(description="Problem and remedy; empty if passed")


class ReportOut(BaseModel):
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool = Field(description="Whether no check failed")
    checks: list[CheckOut]


class FindingOut(BaseModel):
    """Something about a result that a person should check or know."""

    code: str = Field(description="Stable; the proto's Finding lists them", examples=["product_touches_frame"])
    message: str = Field(description="The problem and its remedy, in English, for a person")
    region: RegionOut | None = Field(description="Where in the photo; null where it concerns all of it")


class PlacementOut(BaseModel):
    """How the upright photo maps onto the result: turned clockwise around its top left corner, scaled and moved.

    Without a rotation, ``result = photo * scale + (x, y)``, in pixels.
    """

    scale: float
    x: float
    y: float
    photo_width: int
    photo_height: int
    rotation: float


class ResultOut(BaseModel):
    """What came out."""

    engine: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    confidence: float | None = Field(description="How far the engine trusts its cut-out, 0 to 1; null if unknown")
    fill: float = Field(description="The product's longest side as a share of the picture's side")
    warnings: list[str] = Field(description="The messages of `findings`, for older clients", deprecated=True)
    findings: list[FindingOut] = Field(description="What a person should check or know")
    placement: PlacementOut | None = Field(
        description="Where the photo lies in the result; null where a model generated the picture, and with old results"
    )
    verdict: Literal["ready", "needs_review", "failed"] = Field(
        description="Whether the result can be used: ready if every check passed and nothing casts doubt on it"
    )
    verdict_reasons: list[str] = Field(
        description="Why it is not ready: names of checks, codes of findings, low_confidence, no_confidence, no_report"
    )
    report: ReportOut | None = Field(description="The file measured against its preset's rule; null with old results")


class StatusName(StrEnum):
    """Where a task stands, in the browser protocol's four words."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class StateName(StrEnum):
    """Where a task stands, exactly."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class StatusFilter(StrEnum):
    """Which tasks to list; ``failed`` means all that ended without a picture."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    def states(self) -> list[task_pb2.TaskState.ValueType]:
        """Return the states that it takes in."""
        if self is StatusFilter.FAILED:
            return [task_pb2.TASK_STATE_FAILED, task_pb2.TASK_STATE_TIMEOUT, task_pb2.TASK_STATE_CANCELLED]
        return [task_pb2.TaskState.Value(f"TASK_STATE_{self.name}")]


class ReviewName(StrEnum):
    """The owner's decision on a result."""

    OPEN = "open"
    """Not decided."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"

    def to_proto(self) -> task_pb2.Review.ValueType:
        """Return the decision as the service takes it."""
        return _REVIEW[self]


class WaitReasonName(StrEnum):
    """Why a task waits without a failed attempt."""

    RATE_LIMITED = "rate_limited"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    WORKER_STOPPED = "worker_stopped"
    LEASE_LOST = "lease_lost"
    PAUSED = "paused"


_REVIEW = numbers(ReviewName, task_pb2.Review)


class BatchOut(BaseModel):
    """Tasks that were submitted together, and how many there are in each state. Deleted tasks are not counted."""

    batch_id: str
    created_at: str = Field(description="When its first task was submitted")
    closed: bool = Field(description="Whether no more tasks can be added")
    finished_at: str | None = Field(description="When it was closed and all of its tasks had ended; null before")
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int

    @classmethod
    def of(cls, batch: task_pb2.Batch) -> BatchOut:
        """Read a batch of the service."""
        return cls.model_validate(batch_data(batch))


class TaskData(BaseModel):
    """The ``data`` of a message about a task."""

    status: StatusName
    progress: int = Field(description="Percent done, 0 to 100")
    result_image_url: str | None = Field(description="Signed, expiring link; set when completed")
    elapsed_time: float | None = Field(description="Seconds from submission to the end, or to updated_at before")
    estimated_remaining_seconds: float | None
    error_message: str | None
    updated_at: str = Field(examples=["2026-01-08T10:00:00.000Z"])
    attempt: int
    stage: str
    queue_position: int = Field(description="Position in the queue, 1 is next; 0 when not waiting")
    error_code: str | None
    wait_reason: WaitReasonName | None = Field(None, description="What a snoozed task waits for; absent otherwise")
    waiting_until: str | None = Field(None, description="When its wait is expected to end; absent otherwise")
    seq: int = Field(description="Number of the task's latest event in its owner's log")
    filename: str
    review: ReviewName | None = Field(None, description="The owner's decision on the result; absent without a result")
    deleted: Literal[True] | None = Field(None, description="Whether the task was deleted; absent otherwise")
    batch: BatchOut | None = Field(None, description="The batch that has ended with this message; absent otherwise")


class TaskStatus(TaskData):
    """Where one task stands."""

    task_id: int
    state: StateName

    @classmethod
    def of(cls, task: task_pb2.Task, image_url: ImageUrl) -> TaskStatus:
        """Read a task of the service."""
        return cls.model_validate(_status_fields(task, image_url))


class TaskOut(TaskStatus):
    """A task with all that is known of it."""

    max_attempts: int = Field(description="Failed attempts allowed")
    failures: int = Field(description="Failed attempts; those after which the task waited are not among them")
    lost_leases: int = Field(description="Attempts whose worker was lost; they are not among `failures`")
    deadline: str | None = Field(description="When the task fails if it still waits; null with old tasks")
    priority: int
    options: OptionsOut
    input: InputOut
    result: ResultOut | None
    error_retryable: bool | None = Field(description="Whether the same request might succeed later")
    input_image_url: str
    thumbnail_url: str | None
    mask_url: str | None = Field(
        description="The product's mask, a grey PNG over the upright photo; null before the end and where there is none"
    )
    batch_id: str | None = Field(description="The batch that it was submitted to; null for none")
    source_task_id: int | None = Field(
        description="The earlier task whose photo was taken, which may have been deleted since; null if it was uploaded"
    )
    created_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, task: task_pb2.Task, image_url: ImageUrl) -> TaskOut:
        """Read a task of the service."""
        completed = task.state == task_pb2.TASK_STATE_COMPLETED
        return cls.model_validate(
            {
                **_status_fields(task, image_url),
                "max_attempts": task.max_attempts,
                "failures": task.failures,
                "lost_leases": task.lost_leases,
                "deadline": utc_millis(task.deadline) if task.HasField("deadline") else None,
                "priority": task.priority,
                "options": _options(task.options),
                "input": InputOut.model_validate(task.input, from_attributes=True),
                "result": _result(task.result) if completed else None,
                "error_retryable": task.error.retryable if task.HasField("error") else None,
                "input_image_url": image_url(task, "input"),
                "thumbnail_url": image_url(task, "thumbnail") if completed else None,
                "mask_url": image_url(task, "mask") if completed and task.result.mask_size_bytes else None,
                "batch_id": task.batch_id or None,
                "source_task_id": task.source_task_id or None,
                "created_at": utc_millis(task.created_at),
                "started_at": utc_millis(task.started_at) if task.HasField("started_at") else None,
                "finished_at": utc_millis(task.finished_at) if task.state in TERMINAL_STATES else None,
            }
        )


class SubmittedOut(TaskOut):
    """The task of a request, and those of its further pictures."""

    more_tasks: list[TaskOut] = Field(description="The tasks of `more_options`, in that order")

    @classmethod
    def of_request(cls, task: task_pb2.Task, more: Sequence[task_pb2.Task], image_url: ImageUrl) -> SubmittedOut:
        """Read the tasks of one request."""
        more_tasks = [TaskOut.of(each, image_url) for each in more]
        return cls.model_validate({**TaskOut.of(task, image_url).model_dump(), "more_tasks": more_tasks})


class TaskList(BaseModel):
    """A page of tasks, newest first."""

    tasks: list[TaskOut]
    total: int = Field(description="How many tasks match in all")
    skip: int
    limit: int
    cursor: str = Field(description="Connect with since=<cursor> to miss nothing after this page")
    next_page_token: str = Field(description="`page_token` of the next page; empty on the last one")


MAX_DELETED = 1000
MAX_REVIEWED = 1000
NamedTask = Annotated[int, Field(ge=1, lt=2**63)]


class DeleteIn(BaseModel):
    """The tasks to delete: either these, or all."""

    model_config = ConfigDict(extra="forbid")

    task_ids: list[NamedTask] = Field([], max_length=MAX_DELETED)
    all: bool = Field(False, description="Delete all tasks of the caller")

    @model_validator(mode="after")
    def _one_selection(self) -> DeleteIn:
        if bool(self.task_ids) == self.all:
            raise ValueError("name the tasks to delete, or set all; exactly one of the two")
        return self


class DeletedOut(BaseModel):
    """What a deletion did."""

    task_ids: list[int] = Field(description="Tasks that were deleted")
    missing_task_ids: list[int] = Field(description="Requested tasks that do not exist")


class ReviewIn(BaseModel):
    """A decision on the results of tasks."""

    model_config = ConfigDict(extra="forbid")

    task_ids: list[NamedTask] = Field(min_length=1, max_length=MAX_REVIEWED)
    review: ReviewName = Field(description="The decision; open takes an earlier one back")


class ReviewedOut(BaseModel):
    """The tasks of a decision, each in one of the lists."""

    task_ids: list[int] = Field(description="Tasks that have this decision now")
    unfinished_task_ids: list[int] = Field(description="Tasks without a result, which are left unchanged")
    missing_task_ids: list[int] = Field(description="Requested tasks that do not exist")


SINCE = "Cursor (id of the last message) or RFC 3339 time; without it, the current tasks are returned"
SINCE_EXAMPLES = ["6f1c2a:42", "2026-01-08T10:00:00Z"]


class SyncIn(BaseModel):
    """A client's position in its event log."""

    since: str | None = Field(
        None,
        max_length=200,
        description=SINCE,
        examples=SINCE_EXAMPLES,
    )


class TaskMessageOut(BaseModel):
    """A message as the WebSocket sends it."""

    type: Literal["task_update", "task_complete", "task_failed"]
    id: str | None = Field(None, description="Cursor after this message; left out within a snapshot")
    task_id: int
    timestamp: str
    data: TaskData


class SyncOut(BaseModel):
    """What the client missed."""

    mode: Literal["replay", "snapshot"] = Field(description="A snapshot voids what the client held before")
    reason: str | None = Field(description="Why it is a snapshot, such as cursor_too_old")
    messages: list[TaskMessageOut]
    cursor: str = Field(description="Ask with this the next time")
    has_more: bool = Field(description="Whether there is more to fetch at once")


class TokenOut(BaseModel):
    """A WebSocket token."""

    token: str
    expires_at: datetime


class GuestTokenOut(BaseModel):
    """A guest and their token."""

    token: str
    user_id: str
    expires_at: datetime


class NotReadyReason(BaseModel):
    """One reason why the service is not ready."""

    code: str = Field(description="Stable name", examples=["queue_stalled"])
    message: str = Field(description="The problem and the remedy, for a person")


class BreakerOut(BaseModel):
    """A circuit breaker that is not closed: an engine or the image store that tasks wait for."""

    name: str = Field(description="`engine:` and the engine's name, or `blobs`", examples=["engine:gemini"])
    state: Literal["open", "half_open"] = Field(description="half_open: one task at a time probes it")
    reason: WaitReasonName | None
    message: str = Field(description="The cause, for a person")
    failing_since: str
    open_until: str = Field(description="When it may be probed")


class QueueStats(BaseModel):
    """Queue, log and gateway at a glance."""

    total_tasks: int = Field(description="Kept tasks in all states")
    active_connections: int = Field(description="The same as connections")
    memory_usage_mb: float | None = Field(description="The same as resident_bytes, in MiB")
    ready: bool = Field(description="Whether the service is ready for work")
    not_ready_reasons: list[NotReadyReason]
    queue_stalled_seconds: float = Field(
        description="For how long tasks could run, without an attempt that started or ended"
    )
    breakers: list[BreakerOut] = Field(description="Circuit breakers that are not closed")

    tasks: dict[str, int] = Field(description="Kept tasks by state")
    oldest_pending_seconds: float
    epoch: str
    head_revision: int
    tail_revision: int
    watchers: int
    ring_events: int
    database_replays: int
    service_started_at: str
    connections: int = Field(description="Open WebSockets of this gateway")
    resident_bytes: int | None = Field(description="Memory of this gateway; null where the system does not report it")
    hub_connected: bool = Field(description="Whether the stream from the service is open")
    hub_lag_seconds: float = Field(description="How old the latest event was when it reached this gateway")
    hub_ring_events: int = Field(description="Events that this gateway can replay from memory")


class Health(BaseModel):
    """How the process does."""

    status: Annotated[str, Field(examples=["ok"])]


def _status_fields(task: task_pb2.Task, image_url: ImageUrl) -> dict[str, Any]:
    state = task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_").lower()
    return {"task_id": task.task_id, "state": state, **task_data(task, image_url)}


def _options(options: task_pb2.TaskOptions) -> OptionsOut:
    return OptionsOut(
        engine=ENGINE_NAMES[options.engine],
        preset=options.preset or "custom",
        format=FORMAT_NAMES.get(options.format),
        size_px=options.size_px or None,
        fill=options.fill or None,
        margin=options.margin if options.HasField("margin") else None,
        background=options.background or None,
        shadow=_SHADOW_NAME.get(options.shadow, "none"),
        content=_CONTENT_NAME.get(options.content, "picture"),
        prompt=options.prompt,
        hints=[HintOut.of(hint) for hint in options.hints],
        rotation=options.rotation,
        move_x=options.move_x,
        move_y=options.move_y,
        scale=options.scale or 1.0,
        crop=RegionOut.of(options.crop) if options.HasField("crop") else None,
    )


def _result(result: task_pb2.ResultInfo) -> ResultOut:
    return ResultOut(
        engine=ENGINE_NAMES[result.engine],
        content_type=result.content_type,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
        confidence=result.confidence if result.HasField("confidence") else None,
        fill=result.fill,
        warnings=list(result.warnings),
        findings=_findings(result),
        placement=_placement(result.placement) if result.HasField("placement") else None,
        # Services before 0.2 don't state a verdict: a person should look.
        verdict=cast("Any", names(task_pb2.ResultVerdict).get(result.verdict, "needs_review")),
        verdict_reasons=list(result.verdict_reasons),
        report=_report(result.report) if result.HasField("report") else None,
    )


def _placement(placement: task_pb2.Placement) -> PlacementOut:
    return PlacementOut(
        scale=placement.scale,
        x=placement.x,
        y=placement.y,
        photo_width=placement.photo_width,
        photo_height=placement.photo_height,
        rotation=placement.rotation,
    )


def _findings(result: task_pb2.ResultInfo) -> list[FindingOut]:
    if not result.findings:  # Services before 0.2 send sentences only.
        return [FindingOut(code="unknown", message=each, region=None) for each in result.warnings]
    return [_finding(each) for each in result.findings]


def _finding(finding: task_pb2.Finding) -> FindingOut:
    return FindingOut(
        code=finding.code,
        message=finding.message,
        region=RegionOut.of(finding.region) if finding.HasField("region") else None,
    )


def _report(report: task_pb2.ComplianceReport) -> ReportOut:
    checks = [
        CheckOut.model_validate(
            {
                "name": check.name,
                "verdict": names(task_pb2.Verdict)[check.verdict],
                "value": check.value if check.HasField("value") else None,
                "limit": check.limit,
                "message": check.message,
            }
        )
        for check in report.checks
    ]
    return ReportOut(preset=report.preset, passed=report.passed, checks=checks)
