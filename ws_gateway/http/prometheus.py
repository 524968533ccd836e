"""``/metrics``: the figures of this process for Prometheus."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.problems import documented

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Figures in the text format of Prometheus"},
        **documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
    },
)
async def metrics(gateway: InGateway, _: Admin) -> Response:
    """Return all figures, to administrators. Prometheus reads them from `WHITEBG_METRICS_PORT`, without a token."""
    return Response(gateway.metrics.expose(), media_type=CONTENT_TYPE_LATEST)
