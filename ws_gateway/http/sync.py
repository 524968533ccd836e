"""Missed messages, for clients without a WebSocket."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import APIRouter, Response

from ws_gateway.cursor import Since, Start, parse_since
from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.models import SyncIn, SyncOut
from ws_gateway.http.problems import documented, invalid

router = APIRouter(tags=["messages"])


@router.post(
    "/api/messages/sync",
    response_model=SyncOut,
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def sync(body: SyncIn, gateway: InGateway, user: TaskUser) -> Response:
    """Return what the caller missed: every event since, or the tasks as they stand where not all are kept."""
    since: Since = Start.SNAPSHOT
    if body.since:
        try:
            since = parse_since(body.since)
        except ValueError as error:
            raise invalid([("since", str(error).removeprefix("since: "))]) from None
    page = await gateway.history.read(user.subject, since)
    answer = {
        "mode": page.mode.value,
        "reason": page.reason,
        # Already JSON, the same text as on the WebSocket.
        "messages": [orjson.Fragment(message.text) for message in page.messages],
        "cursor": str(page.head),
        "has_more": page.more,
    }
    return Response(orjson.dumps(answer), media_type="application/json")
