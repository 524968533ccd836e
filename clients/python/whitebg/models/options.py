"""Options of a picture: engine, format, size, background and regions of the photo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """Who makes the picture."""

    UNKNOWN = "unknown"
    """An engine newer than this client; only in answers."""
    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    NEURAL = "neural"
    REMBG = NEURAL
    """Deprecated: the name of NEURAL in older releases."""

    @classmethod
    def _missing_(cls, value: object) -> Engine | None:
        return cls.NEURAL if value == "rembg" else None


class OutputFormat(StrEnum):
    """The file format of a result; the value is the usual file extension."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"


class Content(StrEnum):
    """What of the picture is wanted."""

    PICTURE = "picture"
    """The product on its background."""
    TRANSPARENT = "transparent"
    """The product alone, its background clear; PNG or WebP."""
    MASK = "mask"
    """The product's alpha as grey; it lies pixel for pixel over the picture that the same options make."""


class Shadow(StrEnum):
    """What the product throws on its background."""

    NONE = "none"
    CONTACT = "contact"
    """A soft, short shadow where it would stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    bottom: float


class HintKind(StrEnum):
    """What a region of the photo is."""

    UNKNOWN = "unknown"
    """A kind newer than this client; only in answers."""
    KEEP = "keep"
    """Product: everything in it that differs from the backdrop is kept."""
    DROP = "drop"
    """Backdrop: nothing in it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A region of the photo, and its meaning."""

    kind: HintKind
    region: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Options of the picture. None means the preset's value."""

    engine: Engine = Engine.AUTO
    preset: str | None = None
    """Marketplace preset such as ``amazon`` or ``taobao``; None is ``custom``."""
    format: OutputFormat | None = None
    size_px: int | None = None
    """Side of the square result in pixels, 100 to 10,000."""
    fill: float | None = None
    """Share of the side that the product's longest side takes, 0.3 to 1.0."""
    margin: float | None = None
    """Margin per side, as a share of the side, 0 to 0.35; an alternative to the fill."""
    background: str | None = None
    """``#RRGGBB``; None is pure white. Only for pictures."""
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    prompt: str = ""
    """Extra wish for a generative engine, at most 2,000 characters."""
    hints: tuple[Hint, ...] = ()
    """Regions that are product or backdrop for sure, at most 64; a later one wins where two overlap."""
    rotation: float = 0.0
    """Degrees clockwise, -180 to 180. The turned product is fitted to the fill again."""
    move_x: float = 0.0
    """Move to the right, as a share of the side, -0.5 to 0.5; parts that leave the frame are cut off."""
    move_y: float = 0.0
    """Move down, as a share of the side, -0.5 to 0.5."""
    scale: float = 1.0
    """Factor of the fitted size, 0.2 to 4."""
    crop: Region | None = None
    """Region of the photo outside of which nothing is shown; None shows the whole product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A marketplace preset: its settings, and the limits of the marketplace's rule."""

    name: str
    rule: str
    source: str
    """Where the rule was read."""
    size_px: int | None
    """Side of the square that is made; None: as large as the product's own pixels allow."""
    fill: float
    format: OutputFormat
    max_bytes: int | None
    sizes_px: tuple[int, int]
    """Smallest and largest side that the rule takes."""
    fills: tuple[float, float]
    formats: tuple[OutputFormat, ...]
    pure_white: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """An engine, and whether the service has it."""

    engine: Engine
    available: bool
    model: str | None
    """The model that it runs; None where it has none, or is not available."""
    hint: str | None
    """Where it is not available: how to get it, and its benefit."""
