"""How the process does, for whoever runs it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from protos.whitebg.v1 import task_pb2
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.models import Health, QueueStats
from ws_gateway.http.problems import RETRY_AFTER_S, Problem, documented
from ws_gateway.messages import seconds, utc_millis
from ws_gateway.revocations.contract import RevocationsUnknown

router = APIRouter()


@router.get("/healthz", tags=["operations"])
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health(status="ok")


@router.get("/readyz", tags=["operations"], responses=documented(HTTPStatus.SERVICE_UNAVAILABLE))
async def readyz(gateway: InGateway) -> Health:
    """Say whether clients can be served: 503 while the service is away, or while the gateway shuts down.

    Also at the start, until it is known what was revoked.
    """
    if gateway.connections.draining:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down", "the gateway is shutting down")
    if not gateway.hub.connected:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "service_unavailable",
            f"the generator service at {gateway.settings.grpc_target} is away; sockets stay open until it is back",
            retry_after=RETRY_AFTER_S,
        )
    if not gateway.revocations.known:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            RevocationsUnknown.code,
            "Redis is away, so what was revoked is not known; nobody is let in until it was read",
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
    return QueueStats(
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
        resident_bytes=gateway.metrics.resident_bytes(),
        hub_connected=gateway.hub.connected,
        hub_lag_seconds=round(gateway.hub.lag, 6),
        hub_ring_events=gateway.hub.ring_events,
    )
