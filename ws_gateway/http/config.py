"""The configuration of clients, and the switch that changes it for all of them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from ws_gateway.flags import Flags, FlagsFileUnset, Transport
from ws_gateway.http.dependencies import Admin, InGateway, TaskUser
from ws_gateway.http.problems import Problem, documented

router = APIRouter()

_ALWAYS = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)


class ClientConfig(BaseModel):
    """How this user's clients are to learn what happens to their tasks."""

    websocket_only: bool = Field(description="Use the WebSocket instead of polling; equivalent to `transport`")
    transport: Transport
    polling_interval_ms: int = Field(description="Milliseconds between two polls, where `transport` is polling")
    rollout_percent: float = Field(description="Share of the users on the WebSocket")


@router.get("/api/v2/config", tags=["config"], responses=_ALWAYS)
async def config(response: Response, gateway: InGateway, user: TaskUser) -> ClientConfig:
    """Return whether to use the WebSocket or to poll. Ask at startup and after every reconnect, since it may change."""
    flags = await gateway.flags.current()
    transport = flags.transport(user.subject)
    response.headers["Cache-Control"] = "no-store"
    return ClientConfig(
        websocket_only=transport is Transport.WEBSOCKET,
        transport=transport,
        polling_interval_ms=flags.polling_interval_ms,
        rollout_percent=flags.rollout_percent,
    )


@router.get("/admin/flags", tags=["operations"], responses=_ALWAYS)
async def flags(gateway: InGateway, _: Admin) -> Flags:
    """Show the flags in force."""
    return await gateway.flags.current()


@router.put(
    "/admin/flags",
    tags=["operations"],
    responses=_ALWAYS | documented(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def replace_flags(new: Flags, gateway: InGateway, _: Admin) -> Flags:
    """Put flags in force without a restart, on every gateway that reads the same file."""
    try:
        await gateway.flags.replace(new)
    except FlagsFileUnset as error:
        raise Problem(HTTPStatus.CONFLICT, "flags_file_unset", str(error)) from None
    except OSError as error:
        text = f"the flags file can't be written ({error.strerror}); see that its folder belongs to the gateway"
        raise Problem(HTTPStatus.CONFLICT, "flags_file_not_writable", text) from None
    return await gateway.flags.current()
