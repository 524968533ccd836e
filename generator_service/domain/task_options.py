"""Options of a task: the wanted picture, and the engine that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint

CUSTOM_PRESET = "custom"


class Engine(StrEnum):
    """The engine that makes the picture."""

    AUTO = "auto"
    LOCAL = "local"
    GEMINI = "gemini"
    NEURAL = "neural"
    REMBG = NEURAL
    """Deprecated: the contract's former name of NEURAL."""

    @classmethod
    def _missing_(cls, value: object) -> Engine | None:
        """Accept the former name of NEURAL, which older rows, settings and requests use."""
        return cls.NEURAL if value == _OLD_NEURAL else None

    @property
    def generative(self) -> bool:
        """Whether the engine generates a new picture, to which masks and regions of the photo do not apply."""
        return self is Engine.GEMINI


_OLD_NEURAL = "rembg"


def stored_names(engine: Engine) -> tuple[str, ...]:
    """Return the names that rows may hold for an engine, the current one first."""
    return (engine.value, _OLD_NEURAL) if engine is Engine.NEURAL else (engine.value,)


class OutputFormat(StrEnum):
    """The file format of a result; the value is the file extension."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        """The MIME type."""
        return "image/jpeg" if self is OutputFormat.JPEG else f"image/{self.value}"


class Content(StrEnum):
    """The kind of result: picture, cut-out or mask."""

    PICTURE = "picture"
    """The product on its background."""
    TRANSPARENT = "transparent"
    """The product alone: the background is clear."""
    MASK = "mask"
    """The product's alpha as grey, white where it is solid; it lies pixel for pixel over the picture."""


class Shadow(StrEnum):
    """The shadow drawn under the product."""

    NONE = "none"
    CONTACT = "contact"
    """A soft, short shadow where the product would stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Options requested for a task. None: the preset's default applies."""

    engine: Engine = Engine.AUTO
    preset: str = CUSTOM_PRESET
    format: OutputFormat | None = None
    size_px: int | None = None
    """Side of the square result in pixels, 100 to 10,000."""
    fill: float | None = None
    """Share of the side that the product's longest side takes, 0.3 to 1.0."""
    margin: float | None = None
    """Alternative to ``fill``: share of the side left free on each side of the product, 0 to 0.35."""
    background: str | None = None
    """``#RRGGBB``."""
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    prompt: str = ""
    hints: tuple[Hint, ...] = ()
    """Regions that are product or backdrop for sure; a later one wins where they overlap."""
    rotation: float = 0.0
    """Like the next three: see `generator_service.domain.position.Position`."""
    move_x: float = 0.0
    move_y: float = 0.0
    scale: float = 1.0
    crop: Region | None = None
    """Region of the photo outside of which nothing is shown; None shows the whole product."""
