"""The engines, and which of them the service has."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.options import ENGINE_NAMES
from ws_gateway.http.problems import documented

router = APIRouter()


class EngineOut(BaseModel):
    """An engine, and whether the service has it."""

    name: str
    available: bool = Field(description="Whether tasks may ask for it")
    model: str | None = Field(description="The model that it runs; null where it has none, or is not available")
    hint: str | None = Field(description="If unavailable: how to install it and its benefit, in English")

    @classmethod
    def of(cls, engine: pb.EngineInfo) -> EngineOut:
        """Read an engine of the service."""
        return cls(
            name=ENGINE_NAMES[engine.engine],
            available=engine.available,
            model=engine.model or None,
            hint=engine.hint or None,
        )


class EngineList(BaseModel):
    """All engines but ``auto``: those that are available first, in the order in which ``auto`` prefers them."""

    engines: list[EngineOut]


@router.get(
    "/api/v2/engines",
    tags=["tasks"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def engines(response: Response, gateway: InGateway, _: TaskUser) -> EngineList:
    """List the engines that the option `engine` takes."""
    listed = await gateway.service.list_engines()
    response.headers["Cache-Control"] = "private, max-age=60"
    return EngineList(engines=[EngineOut.of(each) for each in listed if each.engine in ENGINE_NAMES])
