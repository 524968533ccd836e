"""Options of a picture, as a request gives them and as a task shows them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, Json, WithJsonSchema, field_validator
from pydantic_core import from_json

from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names
from whitebg_process.proto_fields import MessageFields


class EngineName(StrEnum):
    """Who makes the picture."""

    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    NEURAL = "neural"
    REMBG = "rembg"
    """Deprecated: the name of NEURAL in older releases."""


class FormatName(StrEnum):
    """The file format of a result."""

    PNG = "png"
    JPEG = "jpeg"
    JPG = "jpg"
    WEBP = "webp"


class ContentName(StrEnum):
    """What of the picture is wanted: all of it, the product alone, or its alpha as grey."""

    PICTURE = "picture"
    TRANSPARENT = "transparent"
    MASK = "mask"


class ShadowName(StrEnum):
    """What the product throws on its background."""

    NONE = "none"
    CONTACT = "contact"


ENGINE_NAMES = {task_pb2.ENGINE_UNSPECIFIED: "auto", **names(task_pb2.Engine)}
FORMAT_NAMES = names(task_pb2.OutputFormat)


class RegionOut(BaseModel):
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    bottom: float


class HintKindName(StrEnum):
    """What a region of the photo is: product that is kept, or backdrop that is dropped."""

    KEEP = "keep"
    DROP = "drop"


class HintOut(BaseModel):
    """A region of the photo, and its meaning."""

    model_config = ConfigDict(extra="forbid")

    kind: HintKindName
    region: RegionOut


def _from_form(value: object) -> object:
    """Read an object that a form holds as JSON text."""
    return from_json(value) if isinstance(value, str) else value


class PictureOptions(BaseModel):
    """Options of the picture. The preset determines those left out."""

    model_config = ConfigDict(extra="forbid")

    engine: EngineName = EngineName.AUTO
    preset: str = Field("", max_length=64, description='Marketplace preset, such as "amazon"; empty is "custom"')
    format: FormatName | None = None
    size_px: int | None = Field(None, ge=1, le=100_000, description="Side of the square in pixels, 100 to 10000")
    fill: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Share of the side that the product takes, 0.3 to 1.0"
    )
    margin: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Margin per side, 0 to 0.35; an alternative to the fill"
    )
    background: str = Field("", max_length=32, description='"#RRGGBB"; empty is pure white')
    shadow: ShadowName = Field(ShadowName.NONE, description="A soft shadow where the product would stand, or none")
    content: ContentName = Field(
        ContentName.PICTURE, description="The picture, the product alone on nothing, or its mask; these two are PNG"
    )
    prompt: str = Field("", description="Extra wish for a generative engine, at most 2000 characters")
    rotation: float = Field(0.0, allow_inf_nan=False, description="Degrees clockwise, -180 to 180")
    move_x: float = Field(0.0, allow_inf_nan=False, description="Move to the right, a share of the side, -0.5 to 0.5")
    move_y: float = Field(0.0, allow_inf_nan=False, description="Move down, a share of the side, -0.5 to 0.5")
    scale: float = Field(1.0, gt=0, allow_inf_nan=False, description="Factor of the fitted size, 0.2 to 4")
    crop: Annotated[RegionOut | None, BeforeValidator(_from_form)] = Field(
        None, description="Region of the photo that is shown, as JSON in a form; null: the whole product"
    )

    @field_validator("format")
    @classmethod
    def _contract_name(cls, value: FormatName | None) -> FormatName | None:
        return FormatName.JPEG if value is FormatName.JPG else value


MAX_HINTS = 64
MAX_MORE_OPTIONS = 19
"""The service's own limits, here so that a list that is too long is rejected before anything is made of it."""
_MORE_OPTIONS = {
    "type": "string",
    "default": "[]",
    "description": "Options of further pictures of the same photo, such as for other markets, "
    f"at most {MAX_MORE_OPTIONS}, as JSON: "
    '[{"preset": "taobao"}, {"preset": "jd", "format": "png"}, …]; each has the fields of this form, and its hints',
    "contentMediaType": "application/json",
}


class OptionsForm(PictureOptions):
    """Options of one or several pictures, as form fields."""

    hints: Annotated[
        Json[Annotated[list[HintOut], Field(max_length=MAX_HINTS), FailFast()]],
        WithJsonSchema(
            {
                "type": "string",
                "default": "[]",
                "description": f"Regions that are product or backdrop for sure, at most {MAX_HINTS}, as JSON: "
                '[{"kind": "keep" or "drop", "region": {"left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6}}, …]; '
                "shares of the upright photo from 0 to 1, and a later one wins where two overlap",
                "contentMediaType": "application/json",
            }
        ),
    ] = Field("[]", validate_default=True)
    more_options: Annotated[
        Json[Annotated[list[PictureOptions], Field(max_length=MAX_MORE_OPTIONS), FailFast()]],
        WithJsonSchema(_MORE_OPTIONS),
    ] = Field("[]", validate_default=True)

    def outputs(self) -> list[task_pb2.TaskOptions]:
        """Return the options of all pictures as the service takes them, the form's own first."""
        messages = [_ASKED.write(each) for each in (self, *self.more_options)]
        for message in messages:
            message.hints.extend(map(_HINT.write, self.hints))
        return messages


_ASKED = MessageFields(PictureOptions, task_pb2.TaskOptions)
_HINT = MessageFields(HintOut, task_pb2.Hint)


class OptionsOut(BaseModel):
    """The requested options; null where the preset determines the value, or there is no crop."""

    # All are in each answer, although they have defaults: those of a message without the field.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    engine: str = "auto"
    preset: str = "custom"
    format: str | None = None
    size_px: int | None = None
    fill: float | None = None
    margin: float | None = None
    background: str | None = None
    shadow: str = "none"
    content: str = "picture"
    prompt: str = ""
    hints: list[HintOut] = Field([], description="Regions that are product or backdrop for sure")
    rotation: float = 0.0
    move_x: float = 0.0
    move_y: float = 0.0
    scale: float = 1.0
    crop: RegionOut | None = None

    @classmethod
    def of(cls, options: task_pb2.TaskOptions) -> OptionsOut:
        """Read the options of the service."""
        return _SHOWN.read(options)


_SHOWN = MessageFields(OptionsOut, task_pb2.TaskOptions)
