"""Tokens for the WebSocket, and for guests on one's own machine."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from pydantic import BaseModel

from whitebg_process.user_ids import GUEST_PREFIX
from ws_gateway.auth.jwt import Scope, TokenRejected
from ws_gateway.http.dependencies import Bearer, InGateway, TaskUser
from ws_gateway.http.former_paths import add_former_path
from ws_gateway.http.guests import guests_welcome
from ws_gateway.http.problems import Problem, documented


class TokenOut(BaseModel):
    """A WebSocket token."""

    token: str
    expires_at: datetime


class GuestTokenOut(BaseModel):
    """A guest and their token."""

    token: str
    user_id: str
    expires_at: datetime


router = APIRouter(tags=["tokens"])


@router.post(
    "/api/v2/ws-token",
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def ws_token(gateway: InGateway, user: TaskUser) -> TokenOut:
    """Trade a session token for one that opens the WebSocket and nothing else."""
    minted = gateway.tokens.mint_socket(user, gateway.settings.ws_token_ttl)
    return TokenOut(token=minted.token, expires_at=minted.expires_at)


add_former_path(router, "/api/ws-token", ws_token)


@router.post(
    "/api/v2/guest-token",
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
async def guest_token(request: Request, gateway: InGateway, credentials: Bearer) -> GuestTokenOut:
    """Give a guest on this machine a token. With a guest's token that is still good, the guest stays the same."""
    if not guests_welcome(request, gateway):
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", "there is no guest login here; use a token of your own")
    claims = None
    if credentials is not None:
        try:
            claims = await gateway.authority.api(credentials.credentials)
        except TokenRejected as error:
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(error)) from None
        if not claims.subject.startswith(GUEST_PREFIX) or claims.scopes != {Scope.TASKS}:
            raise Problem(HTTPStatus.FORBIDDEN, "not_a_guest", "only a guest's token can be renewed here")
    user_id, minted = gateway.tokens.mint_guest(gateway.settings.guest_token_ttl, claims)
    return GuestTokenOut(token=minted.token, user_id=user_id, expires_at=minted.expires_at)


add_former_path(router, "/api/guest-token", guest_token)
