"""Ending sessions before their tokens expire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Self

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field, model_validator

from ws_gateway.components import Gateway
from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.problems import documented

router = APIRouter()


class RevokeIn(BaseModel):
    """Which sessions to end."""

    user_id: str = Field(default="", max_length=255, description="Everything that this user was given until now")
    session_id: str = Field(
        default="",
        max_length=255,
        validation_alias=AliasChoices("session_id", "token_id"),
        description="Tokens with this `sid` or `jti`, and those traded for them; `token_id` is an earlier name of this",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.user_id) == bool(self.session_id):
            raise ValueError("give either user_id or session_id")
        return self


class RevokeOut(BaseModel):
    """The ended sessions."""

    closed: int = Field(description="WebSockets that were closed at the gateway that answers; others close theirs too")


@router.post(
    "/admin/sessions/revoke",
    tags=["operations"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def revoke(body: RevokeIn, gateway: InGateway, _: Admin) -> RevokeOut:
    """End sessions: their sockets close with 4001, and their tokens and image links are rejected until they expire.

    The revocation is durable when this returns; every other gateway and service applies it within a second. Of a user,
    tokens issued within the next minute are rejected too, because clocks differ. 503: nothing was ended; ask again.
    """
    return RevokeOut(closed=await end_sessions(gateway, user_id=body.user_id, session_id=body.session_id))


async def end_sessions(gateway: Gateway, *, user_id: str = "", session_id: str = "") -> int:
    """End a session, or all of a user; return how many sockets of this gateway that closed.

    Raises:
        ServiceError: nothing was ended.

    """
    # The stream may be faster than the response: sockets that were open before are closed by one of them.
    before = gateway.connections.claims()
    revocation = await gateway.service.revoke(user_id=user_id, session_id=session_id)
    gateway.revocations.apply([revocation])
    return sum(map(gateway.authority.revoked, before))
