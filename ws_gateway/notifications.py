"""``/ws/notifications``: who may open it, and with which protocol."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, WebSocket
from starlette.responses import PlainTextResponse

from ws_gateway import inbound
from ws_gateway.auth import Claims
from ws_gateway.client_address import client_address
from ws_gateway.codes import Close, CloseCode
from ws_gateway.cursor import Since, Start, parse_since
from ws_gateway.gateway import REVOKED, Gateway
from ws_gateway.http.dependencies import gateway_of
from ws_gateway.session import Protocol, Session
from ws_gateway.socket import Connection

log = logging.getLogger(__name__)

router = APIRouter()

_MAX_AGENT = 200
_GOING_AWAY = Close(CloseCode.GOING_AWAY, "shutting down; resume elsewhere")


@router.websocket("/ws/notifications")
async def notifications(
    websocket: WebSocket,
    token: Annotated[str | None, Query()] = None,
    since: Annotated[str, Query()] = "",
    ack: Annotated[str, Query()] = "",
) -> None:
    """Tell the token's user what happens to their tasks, after ``since`` or from now on.

    The token comes in the query or, so that it is in no URL at all, as the first frame. With ``ack=1`` the client is
    held to its acks from the beginning. Refusals are closes of an accepted socket, because a browser can't read the
    status of a failed handshake; only a page of a foreign origin is refused at the handshake.
    """
    gateway = gateway_of(websocket)
    if not origin_allowed(websocket, gateway.settings.allowed_origins):
        await websocket.send_denial_response(
            PlainTextResponse("origin not allowed\n", status_code=HTTPStatus.FORBIDDEN)
        )
        return
    protocol = Protocol.V2 if Protocol.V2.value in websocket.scope["subprotocols"] else Protocol.BASE
    await websocket.accept(subprotocol=protocol.value or None)
    admitted = await _admit(gateway, websocket, token, since)
    if admitted is None:
        return
    if isinstance(admitted, Close):
        await _refuse(websocket, admitted)
        return
    claims, start = admitted
    place = await gateway.places.take(claims.subject)
    if place is None:
        most = gateway.settings.connections_per_user
        why = f"{most} connections of this user are open; close one of them"
        await _refuse(websocket, Close(CloseCode.TOO_MANY_CONNECTIONS, why))
        return
    try:
        if (overtaken := _overtaken(gateway, claims)) is not None:
            await _refuse(websocket, overtaken)
            return
        _tell_opened(websocket, gateway, claims, protocol)
        await gateway.connections.serve(_connection(websocket, gateway, claims, protocol, start, acks=ack == "1"))
    finally:
        await gateway.places.give_back(place)


def _connection(
    websocket: WebSocket, gateway: Gateway, claims: Claims, protocol: Protocol, start: Since, *, acks: bool
) -> Connection:
    now = gateway.clock.monotonic()
    session = Session(
        user_id=claims.subject,
        protocol=protocol,
        since=start,
        now=now,
        expires_at=now + (claims.expires_at - gateway.clock.now()).total_seconds(),
        acks=acks,
        observer=gateway.metrics,
    )
    return Connection(
        websocket=websocket,
        session=session,
        claims=claims,
        hub=gateway.hub,
        history=gateway.history,
        authority=gateway.authority,
        clock=gateway.clock,
        metrics=gateway.metrics,
    )


async def _refuse(websocket: WebSocket, close: Close) -> None:
    log.info("websocket_refused", extra={"close_code": int(close.code), "reason": close.reason})
    await websocket.close(close.code, close.reason)


def _overtaken(gateway: Gateway, claims: Claims) -> Close | None:
    """Return how to close because of what happened since a client was admitted, when nobody knew of its socket yet."""
    if gateway.connections.draining:
        return _GOING_AWAY
    return REVOKED if gateway.authority.revoked(claims) else None


def _tell_opened(websocket: WebSocket, gateway: Gateway, claims: Claims, protocol: Protocol) -> None:
    """Log and count a client that was let in; its end is logged where the socket's end is seen."""
    websocket.state.user_id = claims.subject
    gateway.metrics.opened(protocol.value)
    extra = {
        "user_id": claims.subject,
        "address": address_of(websocket, gateway),
        "agent": websocket.headers.get("user-agent", "")[:_MAX_AGENT],
        "protocol": protocol.value,
    }
    log.info("websocket_connect", extra=extra)


async def _admit(
    gateway: Gateway, websocket: WebSocket, token: str | None, since: str
) -> tuple[Claims, Since] | Close | None:
    """Check rate, token and beginning; return how to close if one of them forbids it, None if the client left."""
    if gateway.connections.draining:
        return _GOING_AWAY
    wait = await gateway.limits.connections.hit(address_of(websocket, gateway))
    if wait is not None:
        why = f"over {gateway.settings.connections_per_minute} connections in a minute; try again in {wait:.0f} s"
        return Close(CloseCode.TOO_MANY_CONNECTIONS, why)
    if token is None:
        first = await _first_frame(websocket, gateway.settings.auth_timeout.total_seconds())
        if not isinstance(first, str):
            return first
        token = first
    claims = await gateway.authority.admit(token)
    if isinstance(claims, Close):
        return claims
    if not since:
        return claims, Start.NOW
    try:
        start = parse_since(since)
    except ValueError as error:
        return Close(CloseCode.PROTOCOL_ERROR, str(error))
    # A client whose clock is ahead has not seen what is yet to happen.
    return claims, min(start, gateway.clock.now()) if isinstance(start, datetime) else start


async def _first_frame(websocket: WebSocket, timeout: float) -> str | Close | None:
    """Return the token that the client sends first, how to close if it sends none, or None if it has left."""
    try:
        async with asyncio.timeout(timeout):
            message = await websocket.receive()
    except TimeoutError:
        why = f'the token is missing: send {{"type":"auth","token":…}} within {timeout:.0f} s'
        return Close(CloseCode.UNAUTHENTICATED, why)
    if message["type"] == "websocket.disconnect":
        return None
    text = message.get("text")
    try:
        frame = inbound.parse(message["bytes"] if text is None else text)
    except inbound.ProtocolError as error:
        return Close(CloseCode.PROTOCOL_ERROR, str(error))
    if not isinstance(frame, inbound.Auth):
        return Close(CloseCode.UNAUTHENTICATED, 'the token is missing: the first frame must be of the type "auth"')
    return frame.token


def address_of(websocket: WebSocket, gateway: Gateway) -> str:
    """Return the address that the client is counted by."""
    peer = websocket.client.host if websocket.client is not None else ""
    return client_address(peer, websocket.headers.getlist("x-forwarded-for"), gateway.settings.trusted_proxies)


def origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Say whether a page may connect: one of this host, one on the list, or no page at all.

    Desktop apps (``tauri://…``) and frames without an origin (``null``) are pages like any other: on the list or out.
    """
    origin = websocket.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc == websocket.headers.get("host")
