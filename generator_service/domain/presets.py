"""Marketplace presets, and how options become the exact picture to make."""

from __future__ import annotations

import re
from dataclasses import dataclass

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task import CUSTOM_PRESET, OutputFormat, TaskOptions

MIN_SIZE_PX, MAX_SIZE_PX = 100, 10_000
MIN_FILL, MAX_FILL = 0.3, 1.0
MAX_PROMPT_LENGTH = 2000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What one market asks of a main picture."""

    name: str
    rule: str
    """The rule it follows, in words."""
    size_px: int | None = None
    """Side of the square in pixels; None: as large as the product's own pixels allow, at least 1,000."""
    fill: float = 0.85
    format: OutputFormat = OutputFormat.JPEG
    max_bytes: int | None = None


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name=CUSTOM_PRESET, rule="pure white, 85 % fill, lossless", format=OutputFormat.PNG),
        Preset(
            name="amazon",
            rule="exactly 255,255,255; at least 85 % fill; 1,000 px for zoom, at most 10,000",
            size_px=2000,
            fill=0.86,
        ),
        Preset(
            name="taobao",
            rule="800 × 800, pure white, at least 80 % fill, at most 3 MB",
            size_px=800,
            max_bytes=3_000_000,
        ),
        Preset(
            name="tmall",
            rule="800 × 800, pure white, at least 80 % fill, at most 3 MB",
            size_px=800,
            max_bytes=3_000_000,
        ),
        Preset(name="jd", rule="800 × 800, white, JPEG of at most 2 MB", size_px=800, max_bytes=2_000_000),
        Preset(name="shopify", rule="2,000 × 2,000 advised", size_px=2000),
        Preset(name="ebay", rule="1,600 px advised, at most 12 MB", size_px=1600, max_bytes=12_000_000),
        Preset(
            name="google_merchant",
            rule="1,500 × 1,500 advised; 75 to 90 % fill; at most 16 MB",
            size_px=1500,
            max_bytes=16_000_000,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """The exact picture to make: options and preset resolved."""

    size_px: int | None
    """Side of the square; None: as large as the product's own pixels allow, at least 1,000."""
    fill: float
    format: OutputFormat
    background: tuple[int, int, int] = (255, 255, 255)
    max_bytes: int | None = None
    prompt: str = ""


def resolve(options: TaskOptions) -> PictureSpec:
    """Turn options into the exact picture to make.

    Raises:
        InvalidRequest: a preset is not known, or a value is out of its range.

    """
    preset = PRESETS.get(options.preset)
    if preset is None:
        known = ", ".join(PRESETS)
        raise InvalidRequest("options.preset", f"{options.preset!r} is not a preset; known are {known}")
    if options.size_px is not None and not MIN_SIZE_PX <= options.size_px <= MAX_SIZE_PX:
        raise InvalidRequest(
            "options.size_px", f"{options.size_px} is not within {MIN_SIZE_PX} to {MAX_SIZE_PX} pixels"
        )
    if options.fill is not None and not MIN_FILL <= options.fill <= MAX_FILL:
        raise InvalidRequest("options.fill", f"{options.fill:g} is not within {MIN_FILL:g} to {MAX_FILL:g}")
    if options.background is not None and not _COLOUR.fullmatch(options.background):
        raise InvalidRequest("options.background", f"{options.background!r} is not a colour like #FFFFFF")
    if len(options.prompt) > MAX_PROMPT_LENGTH:
        raise InvalidRequest(
            "options.prompt", f"is {len(options.prompt)} characters long; at most {MAX_PROMPT_LENGTH} are taken"
        )
    colour = bytes.fromhex((options.background or "#FFFFFF")[1:])
    return PictureSpec(
        size_px=options.size_px or preset.size_px,
        fill=preset.fill if options.fill is None else options.fill,
        format=options.format or preset.format,
        background=(colour[0], colour[1], colour[2]),
        max_bytes=preset.max_bytes,
        prompt=options.prompt,
    )
