"""What operators see at a glance: engines, workers, failures, sockets, users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from whitebg.v1 import admin_service_pb2 as pb
from whitebg_process.settings import SettingInEffect, in_effect
from ws_gateway.flags import Flags
from ws_gateway.http.admin import AdminTaskOut
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.options import ENGINE_NAMES
from ws_gateway.http.problems import documented
from ws_gateway.protocol.messages import seconds, utc_millis

router = APIRouter(tags=["operations"])

_RESPONSES = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class EngineQueueOut(BaseModel):
    """The tasks of one engine."""

    engine: str = Field(
        description="Of running tasks the engine that makes the picture, of all others the requested one"
    )
    pending: int = Field(description="Tasks that could start, but for slots, limits, pauses and breakers")
    scheduled: int = Field(description="Waiting tasks that start later")
    running: int
    completed: int = Field(description="Completed within `rate_seconds`")
    failed: int = Field(description="Failed or timed out within `rate_seconds`")
    oldest_pending_seconds: float

    @classmethod
    def of(cls, queue: pb.EngineQueue) -> EngineQueueOut:
        """Read an engine's tasks of the service."""
        return cls(
            engine=ENGINE_NAMES[queue.engine],
            pending=queue.pending,
            scheduled=queue.scheduled,
            running=queue.running,
            completed=queue.completed,
            failed=queue.failed,
            oldest_pending_seconds=seconds(queue.oldest_pending_age),
        )


class RunningOut(AdminTaskOut):
    """A running task."""

    engine: str = Field(description="The engine that makes the picture")
    progress: int = Field(description="Percent")
    stage: str
    started_at: str | None


class WorkerOut(BaseModel):
    """A live worker and the tasks that it runs. Of a worker of an older release, only tasks are known."""

    worker: str
    host: str
    version: str = Field(description="Release; empty for one that does not report it")
    slots: int = Field(description="Maximum concurrent tasks; 0 if not reported")
    engines: list[str] = Field(description="In the order in which `auto` tries them")
    tasks: list[RunningOut] = Field(description="Longest running first")


class FailureGroupOut(BaseModel):
    """Recent failures with the same code."""

    code: str
    count: int
    latest_at: str
    message: str = Field(description="Of the newest one, in English")


class SocketsOut(BaseModel):
    """Open WebSockets of the gateway that answers."""

    open: int
    users: int = Field(description="Users that have at least one")


class SettingOut(BaseModel):
    """A setting in effect."""

    process: Literal["service", "gateway"]
    name: str = Field(description="The environment variable")
    value: str = Field(description="Empty if unset; secrets read `(secret)`")
    changed: bool = Field(description="Whether the value differs from the default")


class OverviewOut(BaseModel):
    """The queue by engine, workers, recent failures, open sockets, flags and settings."""

    engines: list[EngineQueueOut]
    rate_seconds: float
    workers: list[WorkerOut] = Field(description="Live workers, idle ones too, by name; at most 500 tasks")
    failures: list[FailureGroupOut] = Field(description="The most frequent code first")
    failures_from: str = Field(description="Failures of tasks created at this time or later are grouped")
    sockets: SocketsOut
    flags: Flags = Field(description="The flags in force")
    settings: list[SettingOut] = Field(description="Settings of the service and the gateway that answer")


class UserOut(BaseModel):
    """A user with tasks or limits. A limit that is null is the default."""

    user_id: str
    pending: int
    running: int
    stored_bytes: int
    max_pending: int | None
    max_running: int | None
    max_stored_bytes: int | None

    @classmethod
    def of(cls, user: pb.User) -> UserOut:
        """Read a user of the service."""
        own = user.limits
        return cls(
            user_id=user.user_id,
            pending=user.pending,
            running=user.running,
            stored_bytes=user.stored_bytes,
            max_pending=own.max_pending if own.HasField("max_pending") else None,
            max_running=own.max_running if own.HasField("max_running") else None,
            max_stored_bytes=own.max_stored_bytes if own.HasField("max_stored_bytes") else None,
        )


class UserPage(BaseModel):
    """A page of users, in the order of their names."""

    users: list[UserOut]
    next_page_token: str = Field(description="Empty on the last page")


@router.get("/api/v2/admin/overview", responses=_RESPONSES)
async def overview(gateway: InGateway, operator: Admin) -> OverviewOut:
    """Return the queue by engine, workers with their tasks, recent failures, this gateway's sockets, and settings."""
    found = await gateway.operators.overview(operator)
    flags = await gateway.flags.current()
    claims = gateway.connections.claims()
    return OverviewOut(
        engines=[EngineQueueOut.of(each) for each in found.engines],
        rate_seconds=seconds(found.rate_window),
        workers=_workers(found.workers, found.running),
        failures=[
            FailureGroupOut(
                code=each.code, count=each.count, latest_at=utc_millis(each.latest_at), message=each.message
            )
            for each in found.failures
        ],
        failures_from=utc_millis(found.failures_from),
        sockets=SocketsOut(open=len(claims), users=len({each.subject for each in claims})),
        flags=flags,
        settings=[*_settings("service", found.settings), *_settings("gateway", in_effect(gateway.settings))],
    )


@router.get("/api/v2/admin/users", responses=_RESPONSES)
async def users(
    gateway: InGateway,
    operator: Admin,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    page_token: Annotated[str, Query(max_length=255)] = "",
) -> UserPage:
    """List users that have tasks or limits of their own."""
    page = await gateway.operators.users(operator, pb.ListUsersRequest(page_size=limit, page_token=page_token))
    return UserPage(users=[UserOut.of(each) for each in page.users], next_page_token=page.next_page_token)


def _workers(live: Sequence[pb.LiveWorker], running: Sequence[pb.RunningTask]) -> list[WorkerOut]:
    tasks: dict[str, list[RunningOut]] = {each.worker: [] for each in live}
    for each in running:
        tasks.setdefault(each.worker, []).append(_running(each))
    known = {each.worker: each for each in live}
    return [_worker(name, known.get(name, pb.LiveWorker()), tasks[name]) for name in sorted(tasks)]


def _worker(name: str, live: pb.LiveWorker, tasks: list[RunningOut]) -> WorkerOut:
    engines = [ENGINE_NAMES[engine] for engine in live.engines]
    return WorkerOut(worker=name, host=live.host, version=live.version, slots=live.slots, engines=engines, tasks=tasks)


def _settings(
    process: Literal["service", "gateway"], settings: Iterable[pb.SettingInEffect | SettingInEffect]
) -> Iterator[SettingOut]:
    for each in settings:
        yield SettingOut(process=process, name=each.name, value=each.value, changed=each.changed)


def _running(running: pb.RunningTask) -> RunningOut:
    task = running.task
    asked = AdminTaskOut.of(task)
    engine = ENGINE_NAMES[task.assigned_engine] if task.HasField("assigned_engine") else asked.engine
    return RunningOut(
        **asked.model_dump() | {"engine": engine},
        progress=task.progress,
        stage=task.stage,
        started_at=utc_millis(task.started_at) if task.HasField("started_at") else None,
    )
