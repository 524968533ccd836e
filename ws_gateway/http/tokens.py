"""Tokens for the WebSocket, and for guests on one's own machine."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address

from fastapi import APIRouter, Request

from ws_gateway.auth import Scope, TokenRejected
from ws_gateway.gateway import Gateway
from ws_gateway.http.dependencies import Bearer, InGateway, TaskUser
from ws_gateway.http.models import GuestTokenOut, TokenOut
from ws_gateway.http.problems import Problem, documented

router = APIRouter(tags=["tokens"])

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@router.post("/api/ws-token", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def ws_token(gateway: InGateway, user: TaskUser) -> TokenOut:
    """Trade a session token for one that opens the WebSocket and nothing else."""
    minted = gateway.tokens.mint_socket(user, gateway.settings.ws_token_ttl)
    return TokenOut(token=minted.token, expires_at=minted.expires_at)


@router.post(
    "/api/guest-token",
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)
async def guest_token(request: Request, gateway: InGateway, credentials: Bearer) -> GuestTokenOut:
    """Give a guest on this machine a token. With a guest's token that is still good, the guest stays the same."""
    if not _guests_welcome(request, gateway):
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", "there is no guest login here; use a token of your own")
    user_id = None
    if credentials is not None:
        try:
            claims = await gateway.authority.api(credentials.credentials)
        except TokenRejected as error:
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(error)) from None
        if not claims.subject.startswith("guest-") or claims.scopes != {Scope.TASKS}:
            raise Problem(HTTPStatus.FORBIDDEN, "not_a_guest", "only a guest's token can be renewed here")
        user_id = claims.subject
    user_id, minted = gateway.tokens.mint_guest(gateway.settings.guest_token_ttl, user_id)
    return GuestTokenOut(token=minted.token, user_id=user_id, expires_at=minted.expires_at)


def _guests_welcome(request: Request, gateway: Gateway) -> bool:
    """Say whether guests are allowed and this one sits at this machine.

    The Host header is checked too: a page of another site that points its own name at 127.0.0.1 (DNS rebinding)
    reaches this port from this machine, but under its own name. A proxy in front speaks for others.
    """
    return (
        gateway.settings.guest_login
        and is_loopback(gateway.settings.http_host)
        and request.client is not None
        and is_loopback(request.client.host)
        and is_loopback(request.url.hostname or "")
        and not any(name in request.headers for name in _FORWARDED)
    )


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
