"""What the HTTP API takes and gives, as models that also make its documentation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from protos.whitebg.v1 import task_pb2
from ws_gateway.messages import TERMINAL_STATES, ImageUrl, task_data, utc_millis


class EngineName(StrEnum):
    """Who makes the picture."""

    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    REMBG = "rembg"


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


_ENGINE = {name: task_pb2.Engine.Value(f"ENGINE_{name.name}") for name in EngineName}
_ENGINE_NAME = {value: name.value for name, value in _ENGINE.items()} | {task_pb2.ENGINE_UNSPECIFIED: "auto"}
_FORMAT = {
    FormatName.PNG: task_pb2.OUTPUT_FORMAT_PNG,
    FormatName.JPEG: task_pb2.OUTPUT_FORMAT_JPEG,
    FormatName.JPG: task_pb2.OUTPUT_FORMAT_JPEG,
    FormatName.WEBP: task_pb2.OUTPUT_FORMAT_WEBP,
}
FORMAT_NAMES = {
    task_pb2.OUTPUT_FORMAT_PNG: "png",
    task_pb2.OUTPUT_FORMAT_JPEG: "jpeg",
    task_pb2.OUTPUT_FORMAT_WEBP: "webp",
}
_CONTENT = {name: task_pb2.Content.Value(f"CONTENT_{name.name}") for name in ContentName}
_CONTENT_NAME = {value: name.value for name, value in _CONTENT.items()}
_SHADOW = {name: task_pb2.Shadow.Value(f"SHADOW_{name.name}") for name in ShadowName}
_SHADOW_NAME = {value: name.value for name, value in _SHADOW.items()}


class OptionsForm(BaseModel):
    """What the picture should be, as form fields. What is left out, the preset decides."""

    model_config = ConfigDict(extra="forbid")

    engine: EngineName = EngineName.AUTO
    preset: str = Field("", max_length=64, description='Marketplace preset, such as "amazon"; empty is "custom"')
    format: FormatName | None = None
    size_px: int | None = Field(None, ge=1, le=100_000, description="Side of the square in pixels, 100 to 10000")
    fill: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Share of the side that the product takes, 0.3 to 1.0"
    )
    margin: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="The fill said otherwise: share left free on each side, 0 to 0.35"
    )
    background: str = Field("", max_length=32, description='"#RRGGBB"; empty is pure white')
    shadow: ShadowName = Field(ShadowName.NONE, description="A soft shadow where the product would stand, or none")
    content: ContentName = Field(
        ContentName.PICTURE, description="The picture, the product alone on nothing, or its mask; these two are PNG"
    )
    prompt: str = Field("", description="Extra wish for a generative engine, at most 2000 characters")

    def to_proto(self) -> task_pb2.TaskOptions:
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
        )


class OptionsOut(BaseModel):
    """What was asked for; null where it was left to the preset."""

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


class InputOut(BaseModel):
    """What was sent in; width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int


class CheckOut(BaseModel):
    """One check of a result."""

    name: str = Field(description="Stable; the proto's ComplianceCheck says what `value` counts", examples=["border"])
    verdict: Literal["passed", "warned", "failed"]
    value: float | None
    limit: str = Field(description="What is asked for, for a person")
    message: str = Field(description="What is wrong and what to do about it; empty if passed")


class ReportOut(BaseModel):
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool = Field(description="Whether no check failed")
    checks: list[CheckOut]


class ResultOut(BaseModel):
    """What came out."""

    engine: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    confidence: float | None = Field(description="How far the engine trusts its cut-out, 0 to 1; null if it can't tell")
    fill: float = Field(description="The product's longest side as a share of the picture's side")
    warnings: list[str] = Field(description="Things that a person should look at")
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


class TaskData(BaseModel):
    """The ``data`` of a message about a task."""

    status: StatusName
    progress: int = Field(description="Percent done, 0 to 100")
    result_image_url: str | None = Field(description="Signed, expiring link; set when completed")
    elapsed_time: float | None = Field(description="Seconds from submission to updated_at")
    estimated_remaining_seconds: float | None
    error_message: str | None
    updated_at: str = Field(examples=["2026-01-08T10:00:00.000Z"])
    attempt: int
    stage: str
    queue_position: int = Field(description="Place in the queue, 1 is next; 0 when not waiting")
    error_code: str | None
    seq: int = Field(description="Number of the task's latest event in its owner's log")
    filename: str


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

    max_attempts: int
    priority: int
    options: OptionsOut
    input: InputOut
    result: ResultOut | None
    error_retryable: bool | None = Field(description="Whether the same request might succeed later")
    input_image_url: str
    thumbnail_url: str | None
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
                "priority": task.priority,
                "options": _options(task.options),
                "input": InputOut.model_validate(task.input, from_attributes=True),
                "result": _result(task.result) if completed else None,
                "error_retryable": task.error.retryable if task.HasField("error") else None,
                "input_image_url": image_url(task, "input"),
                "thumbnail_url": image_url(task, "thumbnail") if completed else None,
                "created_at": utc_millis(task.created_at),
                "started_at": utc_millis(task.started_at) if task.HasField("started_at") else None,
                "finished_at": utc_millis(task.finished_at) if task.state in TERMINAL_STATES else None,
            }
        )


class TaskList(BaseModel):
    """A page of tasks, newest first."""

    tasks: list[TaskOut]
    total: int = Field(description="How many tasks match in all")
    skip: int
    limit: int
    cursor: str = Field(description="Connect with since=<cursor> to miss nothing after this page")


class SyncIn(BaseModel):
    """What a client has seen."""

    since: str | None = Field(
        None,
        max_length=200,
        description="Cursor (id of the last message) or RFC 3339 time; null for the tasks as they stand",
        examples=["6f1c2a:42", "2026-01-08T10:00:00Z"],
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


class QueueStats(BaseModel):
    """Queue, log and gateway at a glance."""

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
    resident_bytes: int | None = Field(description="Memory of this gateway; null where the system can't tell")
    hub_connected: bool = Field(description="Whether news from the service flow to this gateway")
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
        engine=_ENGINE_NAME[options.engine],
        preset=options.preset or "custom",
        format=FORMAT_NAMES.get(options.format),
        size_px=options.size_px or None,
        fill=options.fill or None,
        margin=options.margin if options.HasField("margin") else None,
        background=options.background or None,
        shadow=_SHADOW_NAME.get(options.shadow, "none"),
        content=_CONTENT_NAME.get(options.content, "picture"),
        prompt=options.prompt,
    )


def _result(result: task_pb2.ResultInfo) -> ResultOut:
    return ResultOut(
        engine=_ENGINE_NAME[result.engine],
        content_type=result.content_type,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
        confidence=result.confidence if result.HasField("confidence") else None,
        fill=result.fill,
        warnings=list(result.warnings),
        report=_report(result.report) if result.HasField("report") else None,
    )


def _report(report: task_pb2.ComplianceReport) -> ReportOut:
    checks = [
        CheckOut.model_validate(
            {
                "name": check.name,
                "verdict": task_pb2.Verdict.Name(check.verdict).removeprefix("VERDICT_").lower(),
                "value": check.value if check.HasField("value") else None,
                "limit": check.limit,
                "message": check.message,
            }
        )
        for check in report.checks
    ]
    return ReportOut(preset=report.preset, passed=report.passed, checks=checks)
