"""The description of the WebSocket, as the OpenAPI page is of the HTTP API."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter()

ASYNCAPI = files("ws_gateway").joinpath("asyncapi.yaml").read_bytes()


@router.get("/asyncapi.yaml", include_in_schema=False)
async def asyncapi() -> Response:
    """Return the AsyncAPI 3 document of the notification protocol."""
    return Response(ASYNCAPI, media_type="application/yaml")
