"""For operators: pauses and limits of the queue, tasks of all users, and requeueing failed ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.moments import Moment
from ws_gateway.http.options import ENGINE_NAMES, EngineName
from ws_gateway.http.problems import documented
from ws_gateway.protocol.messages import utc_millis

router = APIRouter(tags=["operations"])

_STATES = names(task_pb2.TaskState)
_RESPONSES = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_MAX_PAUSE_SECONDS = 365 * 86400


class PauseOut(BaseModel):
    """A pause of claims."""

    engine: str = Field(description="The paused engine; `auto` means all claims")
    note: str = Field(description="The operator's note, which users see")
    paused_at: str
    ends_at: str | None = Field(description="Null if only a resumption ends it")

    @classmethod
    def of(cls, pause: pb.QueuePause) -> PauseOut:
        """Read a pause of the service."""
        return cls(
            engine=ENGINE_NAMES[pause.engine],
            note=pause.note,
            paused_at=utc_millis(pause.paused_at),
            ends_at=utc_millis(pause.ends_at) if pause.HasField("ends_at") else None,
        )


class LimitOut(BaseModel):
    """The limits of an engine over all workers."""

    engine: str
    max_running: int | None
    starts_per_minute: int | None


class QueueControlOut(BaseModel):
    """Pauses and limits that hold now, and the number of stored tasks by state."""

    pauses: list[PauseOut]
    limits: list[LimitOut]
    tasks: dict[str, int]
    oldest_pending_seconds: float = Field(description="Age of the task that has waited longest")


class PauseIn(BaseModel):
    """What to pause, why and for how long."""

    model_config = ConfigDict(extra="forbid")

    engine: EngineName = Field(EngineName.AUTO, description="`auto` means all claims")
    note: str = Field("", max_length=500, description="Users see it as the reason of the wait")
    seconds: float | None = Field(None, ge=1, le=_MAX_PAUSE_SECONDS, description="Null: until it is resumed")


class ResumeIn(BaseModel):
    """Which pause to end."""

    model_config = ConfigDict(extra="forbid")

    engine: EngineName = Field(EngineName.AUTO, description="`auto` means the pause of all claims")


class FilterIn(BaseModel):
    """Selects tasks; every field that is set must match."""

    model_config = ConfigDict(extra="forbid")

    states: list[str] = Field([], max_length=10)
    user_id: str = Field("", max_length=255)
    error_codes: list[str] = Field([], max_length=100)
    engine: EngineName | None = Field(None, description="The requested engine; `auto` selects tasks that request auto")
    created_from: Moment | None = None
    created_before: Moment | None = None

    def proto(self) -> pb.TaskFilter:
        """Return it as the service takes it; unknown states are left to the service's own check."""
        numbers = {name: number for number, name in _STATES.items()}
        found = pb.TaskFilter(user_id=self.user_id, error_codes=self.error_codes)
        found.states.extend(task_pb2.TaskState.ValueType(numbers.get(each, -1)) for each in self.states)
        if self.engine is not None:
            found.engine = task_pb2.Engine.Value(f"ENGINE_{self.engine.name}")
        _set_time(found, self.created_from, self.created_before)
        return found


class RequeueIn(BaseModel):
    """Which failed tasks to submit again."""

    model_config = ConfigDict(extra="forbid")

    filter: FilterIn = Field(FilterIn.model_validate({}), description="States: failed, timeout and cancelled")
    dry_run: bool = Field(True, description="Count them only; false submits them")
    page_token: str = Field("", max_length=100)


class AdminTaskOut(BaseModel):
    """A task of any user, without its images."""

    task_id: int
    user_id: str
    state: str
    engine: str = Field(description="The requested engine")
    priority: int
    attempt: int
    created_at: str
    updated_at: str
    error_code: str | None
    error_message: str | None
    source_task_id: int | None

    @classmethod
    def of(cls, task: task_pb2.Task) -> AdminTaskOut:
        """Read a task of the service."""
        failed = task.HasField("error")
        return cls(
            task_id=task.task_id,
            user_id=task.user_id,
            state=_STATES[task.state],
            engine=ENGINE_NAMES[task.options.engine],
            priority=task.priority,
            attempt=task.attempt,
            created_at=utc_millis(task.created_at),
            updated_at=utc_millis(task.updated_at),
            error_code=task.error.code if failed else None,
            error_message=task.error.message if failed else None,
            source_task_id=task.source_task_id or None,
        )


class AdminTaskPage(BaseModel):
    """A page of tasks of all users, newest first."""

    tasks: list[AdminTaskOut]
    total: int
    next_page_token: str = Field(description="Empty on the last page")


class SkippedOut(BaseModel):
    """A task that could not be submitted again."""

    task_id: int
    reason: str


class RequeueOut(BaseModel):
    """The outcome of a requeue."""

    total: int = Field(description="Tasks that match, on all pages")
    tasks: list[AdminTaskOut] = Field(description="The new tasks; those of an earlier call are listed again")
    skipped: list[SkippedOut]
    next_page_token: str = Field(description="Empty on the last page, and after a dry run")


@router.get("/api/v2/admin/queue", responses=_RESPONSES)
async def queue(gateway: InGateway, operator: Admin) -> QueueControlOut:
    """Return pauses, limits and the number of tasks by state."""
    control = await gateway.operators.control(operator)
    stats = await gateway.service.queue_stats()
    return QueueControlOut(
        pauses=[PauseOut.of(each) for each in control.pauses],
        limits=[
            LimitOut(
                engine=ENGINE_NAMES[each.engine],
                max_running=each.max_running or None,
                starts_per_minute=each.starts_per_minute or None,
            )
            for each in control.limits
        ],
        tasks={_STATES[each.state]: each.count for each in stats.states},
        oldest_pending_seconds=stats.oldest_pending_age.ToTimedelta().total_seconds(),
    )


@router.post("/api/v2/admin/pause", responses=_RESPONSES)
async def pause(body: PauseIn, gateway: InGateway, operator: Admin) -> PauseOut:
    """Stop claims, of one engine or all. Running tasks continue, and new tasks wait."""
    request = pb.PauseQueueRequest(engine=task_pb2.Engine.Value(f"ENGINE_{body.engine.name}"), note=body.note)
    if body.seconds is not None:
        request.lasts.FromTimedelta(timedelta(seconds=body.seconds))
    return PauseOut.of(await gateway.operators.pause(operator, request))


@router.post("/api/v2/admin/resume", status_code=HTTPStatus.NO_CONTENT, responses=_RESPONSES)
async def resume(body: ResumeIn, gateway: InGateway, operator: Admin) -> None:
    """End a pause. Pauses of single engines are ended one by one."""
    request = pb.ResumeQueueRequest(engine=task_pb2.Engine.Value(f"ENGINE_{body.engine.name}"))
    await gateway.operators.resume(operator, request)


@router.get("/api/v2/admin/tasks", responses=_RESPONSES)
async def find_tasks(
    gateway: InGateway,
    operator: Admin,
    state: Annotated[list[str] | None, Query(max_length=10)] = None,
    user_id: Annotated[str, Query(max_length=255)] = "",
    error_code: Annotated[list[str] | None, Query(max_length=100)] = None,
    engine: EngineName | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    page_token: Annotated[str, Query(max_length=100)] = "",
) -> AdminTaskPage:
    """List tasks of all users, newest first."""
    wanted = FilterIn(states=state or [], user_id=user_id, error_codes=error_code or [], engine=engine)
    request = pb.FindTasksRequest(filter=wanted.proto(), page_size=limit, page_token=page_token)
    page = await gateway.operators.find_tasks(operator, request)
    return AdminTaskPage(
        tasks=[AdminTaskOut.of(each) for each in page.tasks],
        total=page.total_size,
        next_page_token=page.next_page_token,
    )


@router.post("/api/v2/admin/requeue", responses=_RESPONSES)
async def requeue(body: RequeueIn, gateway: InGateway, operator: Admin) -> RequeueOut:
    """Submit failed tasks again, a page at a time; by default, count them only. Repeating a call submits none twice."""
    request = pb.RequeueTasksRequest(filter=body.filter.proto(), dry_run=body.dry_run, page_token=body.page_token)
    done = await gateway.operators.requeue(operator, request)
    return RequeueOut(
        total=done.total_size,
        tasks=[AdminTaskOut.of(each) for each in done.tasks],
        skipped=[SkippedOut(task_id=each.task_id, reason=each.reason) for each in done.skipped],
        next_page_token=done.next_page_token,
    )


def _set_time(wanted: pb.TaskFilter, created_from: datetime | None, created_before: datetime | None) -> None:
    if created_from is not None:
        wanted.created_from.FromDatetime(created_from)
    if created_before is not None:
        wanted.created_before.FromDatetime(created_before)
