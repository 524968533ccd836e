"""Health, readiness and the queue, for operators."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from ws_gateway.auth.revocations import RevocationsUnknown
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.problems import RETRY_AFTER_S, Problem, ProblemDetail, documented
from ws_gateway.http.task_models import WaitReasonName
from ws_gateway.protocol.messages import (
    WAIT_REASONS,
    seconds,
    utc_millis,
)


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


router = APIRouter()


@router.get("/healthz", tags=["operations"])
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health(status="ok")


@router.get("/readyz", tags=["operations"], responses=documented(HTTPStatus.SERVICE_UNAVAILABLE))
async def readyz(
    gateway: InGateway,
    exclude: Annotated[
        Literal["service_not_ready"] | None, Query(description="A reason to disregard; for probes that route traffic")
    ] = None,
) -> Health:
    """Return whether clients can be served: 503 while the service is unavailable or not ready, with its own reasons.

    Also while the gateway shuts down, and after each connect until the revocations have been read.
    """
    if gateway.connections.draining:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down", "the gateway is shutting down")
    if not gateway.hub.connected:
        state = f"refuses the gateway ({gateway.hub.refusal})" if gateway.hub.refusal else "is unavailable"
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "service_unavailable",
            f"the generator service at {gateway.settings.grpc_target} {state}; sockets stay open",
            retry_after=RETRY_AFTER_S,
        )
    if not gateway.revocations.known:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            RevocationsUnknown.code,
            "the revocation list is not loaded; rejecting all clients until it is",
            retry_after=RETRY_AFTER_S,
        )
    if exclude is None and (reasons := await gateway.service.not_ready_reasons()):
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "service_not_ready",
            f"the generator service is not ready: {'; '.join(reason.message for reason in reasons)}",
            details=[ProblemDetail(field=reason.code, message=reason.message) for reason in reasons],
            retry_after=RETRY_AFTER_S,
        )
    return Health(status="ready")


@router.get(
    "/admin/queue/stats",
    tags=["operations"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def queue_stats(gateway: InGateway, _: Admin) -> QueueStats:
    """Show queue, log and connections at a glance."""
    stats = await gateway.service.queue_stats()
    names = {
        each.state: task_pb2.TaskState.Name(each.state).removeprefix("TASK_STATE_").lower() for each in stats.states
    }
    resident_bytes = gateway.metrics.resident_bytes()
    return QueueStats(
        total_tasks=sum(each.count for each in stats.states),
        active_connections=len(gateway.connections),
        memory_usage_mb=None if resident_bytes is None else round(resident_bytes / 2**20, 1),
        ready=stats.ready,
        not_ready_reasons=[
            NotReadyReason(code=reason.code, message=reason.message) for reason in stats.not_ready_reasons
        ],
        queue_stalled_seconds=seconds(stats.queue_stalled),
        breakers=[_breaker(each) for each in stats.breakers],
        tasks={names[each.state]: each.count for each in stats.states},
        oldest_pending_seconds=seconds(stats.oldest_pending_age),
        epoch=stats.epoch,
        head_revision=stats.head_revision,
        tail_revision=stats.tail_revision,
        watchers=stats.watchers,
        ring_events=stats.ring_events,
        database_replays=stats.database_replays,
        service_started_at=utc_millis(stats.process_started_at),
        connections=len(gateway.connections),
        resident_bytes=resident_bytes,
        hub_connected=gateway.hub.connected,
        hub_lag_seconds=round(gateway.hub.lag, 6),
        hub_ring_events=gateway.hub.ring_events,
    )


def _breaker(breaker: pb.CircuitBreaker) -> BreakerOut:
    return BreakerOut.model_validate(
        {
            "name": breaker.name,
            "state": pb.BreakerState.Name(breaker.state).removeprefix("BREAKER_STATE_").lower(),
            "reason": WAIT_REASONS.get(breaker.reason),
            "message": breaker.message,
            "failing_since": utc_millis(breaker.failing_since),
            "open_until": utc_millis(breaker.open_until),
        }
    )
