"""Tasks and batches, as the HTTP API takes and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import numbers
from ws_gateway.http.options import OptionsOut
from ws_gateway.http.results import ResultOut
from ws_gateway.protocol.messages import TERMINAL_STATES, ImageUrl, batch_data, task_data, utc_millis


class InputOut(BaseModel):
    """The submitted photo; width and height are pixels as stored, before any EXIF rotation."""

    filename: str
    format: str
    width: int
    height: int
    size_bytes: int
    has_mask: bool = Field(description="Whether the user supplied a mask of the product")


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


_REVIEW = numbers(ReviewName, task_pb2.Review)


class WaitReasonName(StrEnum):
    """Why a task waits without a failed attempt."""

    RATE_LIMITED = "rate_limited"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    WORKER_STOPPED = "worker_stopped"
    LEASE_LOST = "lease_lost"
    PAUSED = "paused"


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
    wait_reason: WaitReasonName | None = Field(None, description="Why a pending task can't run now; absent otherwise")
    waiting_until: str | None = Field(None, description="When that wait is expected to end; absent if unknown")
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
    run_at: str | None = Field(description="When it starts at the earliest; null if it may start, or has")
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
                "run_at": utc_millis(task.run_at) if task.HasField("run_at") else None,
                "deadline": utc_millis(task.deadline) if task.HasField("deadline") else None,
                "priority": task.priority,
                "options": OptionsOut.of(task.options),
                "input": InputOut.model_validate(task.input, from_attributes=True),
                "result": ResultOut.of(task.result) if completed else None,
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


def _status_fields(task: task_pb2.Task, image_url: ImageUrl) -> dict[str, Any]:
    state = task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_").lower()
    return {"task_id": task.task_id, "state": state, **task_data(task, image_url)}
