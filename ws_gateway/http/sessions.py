"""Ending sessions before their tokens expire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from ws_gateway.codes import Close, CloseCode
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.problems import documented

router = APIRouter()


class RevokeIn(BaseModel):
    """Which sessions to end."""

    user_id: str = Field(default="", max_length=255, description="Everything that this user was given until now")
    token_id: str = Field(default="", max_length=255, description="Tokens with this `jti`, and those traded for them")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.user_id) == bool(self.token_id):
            raise ValueError("give either user_id or token_id")
        return self


class RevokeOut(BaseModel):
    """What was ended."""

    closed: int = Field(description="WebSockets of this gateway that were closed")


@router.post(
    "/admin/sessions/revoke",
    tags=["operations"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def revoke(body: RevokeIn, gateway: InGateway, _: Admin) -> RevokeOut:
    """End sessions: their sockets close at once with 4001, and their tokens are refused until they expire.

    This gateway only; where several run, tell each.
    """
    if body.user_id:
        gateway.revocations.revoke_user(body.user_id)
    else:
        gateway.revocations.revoke_token(body.token_id)
    why = Close(CloseCode.UNAUTHENTICATED, "the session was revoked; sign in again")
    return RevokeOut(closed=gateway.connections.close_where(gateway.authority.revoked, why))
