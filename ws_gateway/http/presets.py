"""The marketplace presets, and the rules they follow."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.options import FORMAT_NAMES
from ws_gateway.http.problems import documented

router = APIRouter()


class PresetOut(BaseModel):
    """A preset: the settings for a marketplace, and the limits of its rule."""

    name: str
    rule: str
    source: str = Field(description="Where the rule was read")
    size_px: int | None = Field(description="Largest default side of the square; null: the product's own pixels")
    fill: float = Field(description="Share of the side that the product's longest side takes")
    format: str
    max_bytes: int | None
    min_size_px: int
    max_size_px: int
    min_fill: float
    max_fill: float
    formats: list[str]
    pure_white: bool = Field(description="Whether the background must be exactly 255, 255, 255")

    @classmethod
    def of(cls, preset: pb.Preset) -> PresetOut:
        """Read a preset of the service."""
        return cls(
            name=preset.name,
            rule=preset.rule,
            source=preset.source,
            size_px=preset.size_px or None,
            fill=preset.fill,
            format=FORMAT_NAMES[preset.format],
            max_bytes=preset.max_bytes or None,
            min_size_px=preset.min_size_px,
            max_size_px=preset.max_size_px,
            min_fill=preset.min_fill,
            max_fill=preset.max_fill,
            formats=[FORMAT_NAMES[each] for each in preset.formats],
            pure_white=preset.pure_white,
        )


class PresetList(BaseModel):
    """All presets, ``custom`` first."""

    presets: list[PresetOut]


@router.get(
    "/api/v2/presets",
    tags=["tasks"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def presets(response: Response, gateway: InGateway, _: TaskUser) -> PresetList:
    """List the presets that the option `preset` takes."""
    listed = await gateway.service.list_presets()
    response.headers["Cache-Control"] = "private, max-age=300"
    return PresetList(presets=[PresetOut.of(preset) for preset in listed])
