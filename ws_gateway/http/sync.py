"""Missed messages, for clients without a WebSocket."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from ws_gateway.auth.jwt import Claims
from ws_gateway.components import Gateway
from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.former_paths import succeeded_by
from ws_gateway.http.problems import documented, invalid
from ws_gateway.http.task_models import TaskData
from ws_gateway.protocol.cursor import Since, Start, parse_since

SINCE = "Cursor (id of the last message) or RFC 3339 time; without it, the current tasks are returned"
SINCE_EXAMPLES = ["6f1c2a:42", "2026-01-08T10:00:00Z"]


class SyncIn(BaseModel):
    """A client's position in its event log."""

    since: str | None = Field(
        None,
        max_length=200,
        description=SINCE,
        examples=SINCE_EXAMPLES,
    )


class TaskMessageOut(BaseModel):
    """A message as the WebSocket sends it."""

    type: Literal["task_update", "task_complete", "task_failed"]
    id: str | None = Field(None, description="Cursor after this message; left out within a snapshot")
    task_id: int
    timestamp: str
    data: TaskData


class SyncOut(BaseModel):
    """What the client missed."""

    mode: Literal["replay", "snapshot"] = Field(description="A snapshot voids what the client held before")
    reason: str | None = Field(description="Why it is a snapshot, such as cursor_too_old")
    messages: list[TaskMessageOut]
    cursor: str = Field(description="Ask with this the next time")
    has_more: bool = Field(description="Whether there is more to fetch at once")


router = APIRouter(tags=["messages"])

AfterCursor = Annotated[str, Query(max_length=200, description=SINCE, examples=SINCE_EXAMPLES)]

_EVENTS = "/api/v2/events"
_RESPONSES = documented(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)


@router.get(_EVENTS, response_model=SyncOut, responses=_RESPONSES)
async def events(
    gateway: InGateway,
    user: TaskUser,
    since: AfterCursor = "",
) -> Response:
    """Return the messages after `since`: every event, or the current tasks where not all events are stored."""
    return await _missed(gateway, user, since)


@router.post("/api/messages/sync", response_model=SyncOut, responses=_RESPONSES, **succeeded_by(_EVENTS))
async def sync(body: SyncIn, gateway: InGateway, user: TaskUser) -> Response:
    """Return the messages after `since`, as `GET /api/v2/events`."""
    return await _missed(gateway, user, body.since)


async def _missed(gateway: Gateway, user: Claims, text: str | None) -> Response:
    since: Since = Start.SNAPSHOT
    if text:
        try:
            since = parse_since(text)
        except ValueError as error:
            raise invalid([("since", str(error).removeprefix("since: "))]) from None
    page = await gateway.history.read(user.subject, since)
    answer = {
        "mode": page.mode.value,
        "reason": page.reason,
        # Already JSON, the same text as on the WebSocket.
        "messages": [orjson.Fragment(gateway.image_urls.fill(message.text, user)) for message in page.messages],
        "cursor": str(page.head),
        "has_more": page.more,
    }
    return Response(orjson.dumps(answer), media_type="application/json", headers={"Cache-Control": "no-store"})
