"""``/ws/notifications``: authentication and protocol negotiation."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from datetime import datetime
from http import HTTPStatus

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from ws_gateway.auth import jwt
from ws_gateway.auth.jwt import Claims
from ws_gateway.auth.request_origin import is_foreign
from ws_gateway.components import REVOKED, Gateway
from ws_gateway.http.dependencies import address_of, gateway_of
from ws_gateway.protocol import inbound
from ws_gateway.protocol.close_codes import Close, CloseCode
from ws_gateway.protocol.cursor import Since, Start, parse_since
from ws_gateway.protocol.session import Protocol, Session
from ws_gateway.websocket.connection import Connection

log = logging.getLogger(__name__)

PATH = "/ws/notifications"
_MAX_AGENT = 200
_FULL_RETRY_S = 30.0
"""When a client may try again whose user has as many connections open as are allowed."""
_FAILURES = frozenset({CloseCode.UNAUTHENTICATED, CloseCode.PROTOCOL_ERROR})
"""Closes of handshakes that count as failed; a token that has expired was good, and its client is no stranger."""
_GOING_AWAY = Close(CloseCode.GOING_AWAY, "shutting down; resume elsewhere")


class SocketRoute:
    """ASGI middleware that serves the sockets of `PATH` itself.

    What other middleware and the router hold for each open request would take 9 KiB of memory for each socket, and
    none of it concerns sockets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] == "websocket" and scope["path"] == PATH:
            return notifications(WebSocket(scope, receive, send))
        return self._app(scope, receive, send)


async def notifications(websocket: WebSocket) -> None:
    """Publish the events of the token's user, after ``since`` or from now on.

    The token comes in the query or, so that it is in no URL at all, as the first frame. With ``ack=1`` the client is
    held to its acks from the beginning. Refusals are closes of an accepted socket, because a browser can't read the
    status of a failed handshake; only a page of a foreign origin is refused at the handshake.
    """
    gateway, query = gateway_of(websocket), websocket.query_params
    token, since, ack = query.get("token"), query.get("since", ""), query.get("ack", "")
    if is_foreign(websocket.headers, gateway.settings.allowed_origins):
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
        why = f"{gateway.settings.connections_per_user} connections of this user are open"
        await _refuse(websocket, too_many(why, _FULL_RETRY_S))
        return
    try:
        if (overtaken := _overtaken(gateway, claims)) is not None:
            await _refuse(websocket, overtaken)
            return
        _tell_opened(websocket, gateway, claims, protocol)
        await gateway.connections.serve(_connection(websocket, gateway, claims, protocol, start, acks=ack == "1"))
    finally:
        await gateway.places.release(place)


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
        operator=jwt.Scope.ADMIN in claims.scopes,
        observer=gateway.metrics,
    )
    return Connection(
        websocket=websocket,
        session=session,
        claims=claims,
        hub=gateway.hub,
        history=gateway.history,
        authority=gateway.authority,
        image_urls=gateway.image_urls,
        clock=gateway.clock,
        metrics=gateway.metrics,
    )


async def _refuse(websocket: WebSocket, close: Close) -> None:
    log.info("websocket_refused", extra={"close_code": int(close.code), "reason": close.reason})
    await websocket.close(close.code, close.reason)


def _overtaken(gateway: Gateway, claims: Claims) -> Close | None:
    """Return how to close because of events between a client's admission and its socket's registration."""
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
    """Check rates, token and beginning; return how to close if one of them forbids it, None if the client left.

    An address may be an office's, so few handshakes from there are rejected for others' sake: only where many failed.
    """
    if gateway.connections.draining:
        return _GOING_AWAY
    address = address_of(websocket, gateway)
    if (wait := await gateway.limits.failures.wait(address)) is not None:
        return too_many("too many failed connections from this address", wait)
    if (wait := await gateway.limits.addresses.hit(address)) is not None:
        return too_many("too many connections from this address in a minute", wait)
    admitted = await _identify(gateway, websocket, token, since)
    if isinstance(admitted, Close):
        if admitted.code in _FAILURES:
            await gateway.limits.failures.hit(address)
        return admitted
    if admitted is not None and (wait := await gateway.limits.connections.hit(admitted[0].subject)) is not None:
        return too_many("too many connections of this user in a minute", wait)
    return admitted


def too_many(why: str, retry_after: float) -> Close:
    """Return the close for too many connections; its reason ends with when to try again, in whole seconds."""
    return Close(CloseCode.TOO_MANY_CONNECTIONS, f"{why}; try again in {math.ceil(retry_after)} s")


async def _identify(
    gateway: Gateway, websocket: WebSocket, token: str | None, since: str
) -> tuple[Claims, Since] | Close | None:
    """Check token and beginning; return how to close if one of them can't be used, None if the client left."""
    if token is None:
        first = await _first_frame(websocket, gateway.settings.auth_timeout.total_seconds())
        if not isinstance(first, str):
            return first
        token = first
    claims = await gateway.authority.authenticate(token)
    if isinstance(claims, Close):
        return claims
    if not since:
        return claims, Start.NOW
    try:
        start = parse_since(since)
    except ValueError as error:
        return Close(CloseCode.PROTOCOL_ERROR, str(error))
    # A client whose clock is ahead has not seen future events.
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
