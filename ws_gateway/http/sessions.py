"""Ending sessions before their tokens expire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from ws_gateway.http.dependencies import Admin, InGateway
from ws_gateway.http.problems import RETRY_AFTER_S, Problem, documented
from ws_gateway.revocations.contract import Kind, NotShared, Revocation

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
    """End sessions: their sockets close at once with 4001, and their tokens are refused until they expire.

    At all gateways that share a Redis, those started later too. 503 (`revocation_not_shared`) if it can't be reached:
    then this gateway alone has ended them, and the others are told only once it is back. Ask again until it is done.
    """
    kind, name = (Kind.USER, body.user_id) if body.user_id else (Kind.TOKEN, body.token_id)
    try:
        return RevokeOut(closed=await gateway.revocations.revoke(Revocation(kind, name)))
    except NotShared as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "revocation_not_shared",
            f"ended at this gateway, with {error.closed} sockets closed; Redis can't be reached, so other gateways "
            "still let them in: ask again until the answer is 200",
            retry_after=RETRY_AFTER_S,
        ) from None
