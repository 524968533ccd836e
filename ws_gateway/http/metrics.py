"""``/metrics``: the figures of this process for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from ws_gateway.http.dependencies import InGateway

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Figures in the text format of Prometheus"}},
)
async def metrics(gateway: InGateway) -> Response:
    """Return all figures. They name no user, but are meant for the operator: do not route this to the world."""
    return Response(gateway.metrics.expose(), media_type=CONTENT_TYPE_LATEST)
