"""Batches: their progress, and closing, cancelling and deleting one as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.problems import documented
from ws_gateway.http.task_models import BatchOut, DeletedOut

router = APIRouter(tags=["batches"])

BATCH_ID_PATTERN = r"^[A-Za-z0-9._~:-]{1,100}$"
BatchId = Annotated[str, Path(pattern=BATCH_ID_PATTERN, description="Chosen by the client with the first task")]
_ONE_BATCH = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


@router.get("/api/v2/batches/{batch_id}", responses=_ONE_BATCH)
async def get_batch(batch_id: BatchId, gateway: InGateway, user: TaskUser) -> BatchOut:
    """Return a batch with the number of its tasks by state."""
    return BatchOut.of(await gateway.service.get_batch(user.subject, batch_id))


@router.post("/api/v2/batches/{batch_id}/close", responses=_ONE_BATCH)
async def close_batch(batch_id: BatchId, gateway: InGateway, user: TaskUser) -> BatchOut:
    """Let no more tasks be added to a batch. Once all have ended, one message has the batch in `data.batch`."""
    return BatchOut.of(await gateway.service.close_batch(user.subject, batch_id))


@router.post("/api/v2/batches/{batch_id}/cancel", responses=_ONE_BATCH)
async def cancel_batch(batch_id: BatchId, gateway: InGateway, user: TaskUser) -> BatchOut:
    """Close a batch and cancel its tasks that have not ended."""
    return BatchOut.of(await gateway.service.cancel_batch(user.subject, batch_id))


@router.delete("/api/v2/batches/{batch_id}", responses=_ONE_BATCH)
async def delete_batch(batch_id: BatchId, gateway: InGateway, user: TaskUser) -> DeletedOut:
    """Delete all tasks of a batch, with their images. Those that have not ended are cancelled first."""
    deleted = await gateway.service.delete_batch(user.subject, batch_id)
    return DeletedOut(task_ids=list(deleted.task_ids), missing_task_ids=[])
