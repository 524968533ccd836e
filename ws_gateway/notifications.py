"""``/ws/notifications``: who may open it, and with which protocol."""

from __future__ import annotations

import logging
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, WebSocket
from starlette.responses import PlainTextResponse

from ws_gateway.auth import Claims, Scope, TokenExpired, TokenRejected
from ws_gateway.codes import Close, CloseCode
from ws_gateway.cursor import Since, Start, parse_since
from ws_gateway.gateway import Gateway
from ws_gateway.http.dependencies import gateway_of
from ws_gateway.session import Protocol, Session
from ws_gateway.socket import Connection

log = logging.getLogger(__name__)

router = APIRouter()


@router.websocket("/ws/notifications")
async def notifications(
    websocket: WebSocket, token: Annotated[str, Query()] = "", since: Annotated[str, Query()] = ""
) -> None:
    """Tell the token's user what happens to their tasks, after ``since`` or from now on.

    Refusals are closes of an accepted socket, because a browser can't read the status of a failed handshake; only
    a page of a foreign origin is refused at the handshake.
    """
    gateway = gateway_of(websocket)
    if not origin_allowed(websocket, gateway.settings.allowed_origins):
        await websocket.send_denial_response(
            PlainTextResponse("origin not allowed\n", status_code=HTTPStatus.FORBIDDEN)
        )
        return
    protocol = Protocol.V2 if Protocol.V2.value in websocket.scope["subprotocols"] else Protocol.BASE
    await websocket.accept(subprotocol=protocol.value or None)
    admitted = _admit(gateway, token, since)
    if isinstance(admitted, Close):
        log.info("websocket_refused", extra={"close_code": int(admitted.code), "reason": admitted.reason})
        await websocket.close(admitted.code, admitted.reason)
        return
    claims, start = admitted
    now = gateway.clock.monotonic()
    session = Session(
        user_id=claims.subject,
        protocol=protocol,
        since=start,
        now=now,
        expires_at=now + (claims.expires_at - gateway.clock.now()).total_seconds(),
    )
    connection = Connection(
        websocket=websocket, session=session, hub=gateway.hub, history=gateway.history, clock=gateway.clock
    )
    await gateway.connections.serve(connection)


def _admit(gateway: Gateway, token: str, since: str) -> tuple[Claims, Since] | Close:
    """Check token and beginning; return how to close if one of them can't be used."""
    if gateway.connections.draining:
        return Close(CloseCode.GOING_AWAY, "shutting down; resume elsewhere")
    try:
        claims = gateway.tokens.verify_socket(token)
    except TokenExpired as error:
        return Close(CloseCode.TOKEN_EXPIRED, str(error))
    except TokenRejected as error:
        return Close(CloseCode.UNAUTHENTICATED, str(error))
    if Scope.TASKS not in claims.scopes:
        return Close(CloseCode.UNAUTHENTICATED, "the token lacks the scope 'tasks'")
    if not since:
        return claims, Start.NOW
    try:
        start = parse_since(since)
    except ValueError as error:
        return Close(CloseCode.PROTOCOL_ERROR, str(error))
    # A client whose clock is ahead has not seen what is yet to happen.
    return claims, min(start, gateway.clock.now()) if isinstance(start, datetime) else start


def origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Say whether a page may connect: one of this host, one on the list, or no page at all."""
    origin = websocket.headers.get("origin")
    return origin is None or origin in allowed or urlsplit(origin).netloc == websocket.headers.get("host")
