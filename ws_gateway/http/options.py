"""Options of a picture, as a request gives them and as a task shows them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, WithJsonSchema
from pydantic_core import from_json

from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names, numbers


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


_ENGINE = numbers(EngineName, task_pb2.Engine)
ENGINE_NAMES = {task_pb2.ENGINE_UNSPECIFIED: "auto", **names(task_pb2.Engine)}
_FORMAT = {
    name: task_pb2.OutputFormat.Value(f"OUTPUT_FORMAT_{name.name.replace('JPG', 'JPEG')}") for name in FormatName
}
FORMAT_NAMES = names(task_pb2.OutputFormat)
_CONTENT, _CONTENT_NAME = numbers(ContentName, task_pb2.Content), names(task_pb2.Content)
_SHADOW, _SHADOW_NAME = numbers(ShadowName, task_pb2.Shadow), names(task_pb2.Shadow)


class RegionOut(BaseModel):
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, region: task_pb2.Region) -> RegionOut:
        """Read a region of the service."""
        return cls(left=region.left, top=region.top, right=region.right, bottom=region.bottom)

    def to_proto(self) -> task_pb2.Region:
        """Return the region as the service takes it."""
        return task_pb2.Region(**self.model_dump())


class HintKindName(StrEnum):
    """What a region of the photo is: product that is kept, or backdrop that is dropped."""

    KEEP = "keep"
    DROP = "drop"


class HintOut(BaseModel):
    """A region of the photo, and its meaning."""

    model_config = ConfigDict(extra="forbid")

    kind: HintKindName
    region: RegionOut

    @classmethod
    def of(cls, hint: task_pb2.Hint) -> HintOut:
        """Read a hint of the service."""
        return cls(kind=_HINT_KIND_NAME[hint.kind], region=RegionOut.of(hint.region))

    def to_proto(self) -> task_pb2.Hint:
        """Return the hint as the service takes it."""
        return task_pb2.Hint(kind=_HINT_KIND[self.kind], region=self.region.to_proto())


_HINT_KIND = numbers(HintKindName, task_pb2.HintKind)
_HINT_KIND_NAME = {value: name for name, value in _HINT_KIND.items()}


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

    def to_proto(self, hints: Sequence[HintOut] = ()) -> task_pb2.TaskOptions:
        """Return the options as the service takes them."""
        return task_pb2.TaskOptions(
            engine=_ENGINE[self.engine],
            preset=self.preset,
            format=task_pb2.OUTPUT_FORMAT_UNSPECIFIED if self.format is None else _FORMAT[self.format],
            size_px=self.size_px or 0,
            fill=self.fill or 0.0,
            margin=self.margin,
            background=self.background,
            shadow=_SHADOW[self.shadow],
            content=_CONTENT[self.content],
            prompt=self.prompt,
            hints=[hint.to_proto() for hint in hints],
            rotation=self.rotation,
            move_x=self.move_x,
            move_y=self.move_y,
            scale=self.scale,
            crop=None if self.crop is None else self.crop.to_proto(),
        )


_MORE_OPTIONS = {
    "type": "string",
    "default": "[]",
    "description": "Options of further pictures of the same photo, such as for other markets, at most 19, as JSON: "
    '[{"preset": "taobao"}, {"preset": "jd", "format": "png"}, …]; each has the fields of this form, and its hints',
    "contentMediaType": "application/json",
}


class OptionsForm(PictureOptions):
    """Options of one or several pictures, as form fields."""

    hints: Annotated[
        Json[list[HintOut]],
        WithJsonSchema(
            {
                "type": "string",
                "default": "[]",
                "description": "Regions that are product or backdrop for sure, at most 64, as JSON: "
                '[{"kind": "keep" or "drop", "region": {"left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6}}, …]; '
                "shares of the upright photo from 0 to 1, and a later one wins where two overlap",
                "contentMediaType": "application/json",
            }
        ),
    ] = Field("[]", validate_default=True)
    more_options: Annotated[Json[list[PictureOptions]], WithJsonSchema(_MORE_OPTIONS)] = Field(
        "[]", validate_default=True
    )

    def outputs(self) -> list[task_pb2.TaskOptions]:
        """Return the options of all pictures as the service takes them, the form's own first."""
        return [each.to_proto(self.hints) for each in (self, *self.more_options)]


class OptionsOut(BaseModel):
    """The requested options; null where the preset determines the value, or there is no crop."""

    engine: str
    preset: str
    format: str | None
    size_px: int | None
    fill: float | None
    margin: float | None
    background: str | None
    shadow: str
    content: str
    prompt: str
    hints: list[HintOut] = Field(description="Regions that are product or backdrop for sure")
    rotation: float
    move_x: float
    move_y: float
    scale: float
    crop: RegionOut | None

    @classmethod
    def of(cls, options: task_pb2.TaskOptions) -> OptionsOut:
        """Read the options of the service."""
        return cls(
            engine=ENGINE_NAMES[options.engine],
            preset=options.preset or "custom",
            format=FORMAT_NAMES.get(options.format),
            size_px=options.size_px or None,
            fill=options.fill or None,
            margin=options.margin if options.HasField("margin") else None,
            background=options.background or None,
            shadow=_SHADOW_NAME.get(options.shadow, "none"),
            content=_CONTENT_NAME.get(options.content, "picture"),
            prompt=options.prompt,
            hints=[HintOut.of(hint) for hint in options.hints],
            rotation=options.rotation,
            move_x=options.move_x,
            move_y=options.move_y,
            scale=options.scale or 1.0,
            crop=RegionOut.of(options.crop) if options.HasField("crop") else None,
        )
