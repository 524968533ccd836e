"""Marketplace presets, and the resolution of options into an exact picture specification."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.finding import Region
from generator_service.domain.hints import MAX_HINTS, Hint
from generator_service.domain.position import AUTOMATIC, MAX_MOVE, MAX_ROTATION, MAX_SCALE, MIN_SCALE, Position
from generator_service.domain.task_options import CUSTOM_PRESET, Content, OutputFormat, Shadow, TaskOptions

MIN_SIZE_PX, MAX_SIZE_PX = 100, 10_000
MAX_AUTO_SIZE_PX = 5000
"""Largest side that is chosen by the product's own pixels."""
MIN_FILL, MAX_FILL = 0.3, 1.0
MIN_MARGIN, MAX_MARGIN = 0.0, 0.35
MAX_PROMPT_LENGTH = 2000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

JPEG, PNG, WEBP = OutputFormat.JPEG, OutputFormat.PNG, OutputFormat.WEBP


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One market's requirements for a main picture, and the defaults for its results.

    ``size_px``, ``fill`` and ``format`` are the defaults of results; the ranges are the limits of the market, and
    results are checked against them. A photo that does not fill the default size is enlarged only to the smallest side
    of the market.
    """

    name: str
    rule: str
    """The market's rule, in words."""
    source: str
    """Source of the rule."""
    size_px: int | None = None
    """Largest default side of the square in pixels; None: only `MAX_AUTO_SIZE_PX` limits it."""
    fill: float = 0.85
    format: OutputFormat = JPEG
    max_bytes: int | None = None
    sizes_px: tuple[int, int] = (MIN_SIZE_PX, MAX_SIZE_PX)
    """Smallest and largest side."""
    fills: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest share of the side that the product's longest side may take."""
    formats: frozenset[OutputFormat] = frozenset(OutputFormat)
    white: bool = True
    """Whether the background must be exactly 255, 255, 255."""
    transparent: bool = False
    """Whether a transparent background is accepted where it must be white."""


_SELLERS_GUIDES = "sellers' guides; the market's own page needs a seller's login, so check it before a large upload"

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name=CUSTOM_PRESET,
            rule="what was asked for; where nothing was: pure white, 85 % fill, lossless",
            source="none: no market's rule",
            format=PNG,
            white=False,
        ),
        Preset(
            name="amazon",
            rule="exactly 255,255,255; at least 85 % fill; 500 to 10,000 px, 1,000 for zoom; JPEG, PNG, TIFF or GIF",
            source="https://www.mercatuslab.com/blog/amazon-product-image-requirements/ (secondary)",
            size_px=2000,
            fill=0.87,
            sizes_px=(1000, 10_000),
            fills=(0.85, 1.0),
            formats=frozenset({JPEG, PNG}),
        ),
        Preset(
            name="taobao",
            rule="800 × 800, at least 700; pure white; at least 80 % fill; at most 3 MB",
            source=_SELLERS_GUIDES,
            size_px=800,
            max_bytes=3_000_000,
            sizes_px=(700, MAX_SIZE_PX),
            fills=(0.8, 1.0),
            formats=frozenset({JPEG, PNG}),
        ),
        Preset(
            name="tmall",
            rule="800 × 800, at least 700; pure white; at least 80 % fill; at most 3 MB",
            source=_SELLERS_GUIDES,
            size_px=800,
            max_bytes=3_000_000,
            sizes_px=(700, MAX_SIZE_PX),
            fills=(0.8, 1.0),
            formats=frozenset({JPEG, PNG}),
        ),
        Preset(
            name="jd",
            rule="800 × 800; white; JPEG of at most 2 MB",
            source=_SELLERS_GUIDES,
            size_px=800,
            max_bytes=2_000_000,
            sizes_px=(800, MAX_SIZE_PX),
            formats=frozenset({JPEG}),
        ),
        Preset(
            name="shopify",
            rule="2,048 × 2,048 advised, at most 5,000 px and 20 MB; the background is the shop's own choice",
            source="https://sellshot.ai/en/blog/shopify-product-image-size-guide (secondary, after Shopify's help)",
            size_px=2048,
            max_bytes=20_000_000,
            sizes_px=(MIN_SIZE_PX, 5000),
            white=False,
        ),
        Preset(
            name="ebay",
            rule="at least 500 px, 1,600 advised; at most 12 MB; no border",
            source="https://www.ebay.com/help/policies/listing-policies/picture-policy?id=4370",
            size_px=1600,
            max_bytes=12_000_000,
            sizes_px=(500, 6000),
            formats=frozenset({JPEG, PNG}),
            white=False,
        ),
        Preset(
            name="google_merchant",
            rule="1,500 × 1,500 advised, at least 500 from 2027-01-31; 75 to 90 % fill; white or transparent; "
            "at most 64 megapixels and 16 MB; pictures made by generative AI must say so in their metadata",
            source="https://support.google.com/merchants/answer/6324350",
            size_px=1500,
            fill=0.83,
            max_bytes=16_000_000,
            sizes_px=(500, 8000),
            fills=(0.75, 0.9),
            transparent=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """The exact picture to make: options and preset resolved."""

    preset: str = CUSTOM_PRESET
    """Preset against whose rule the result is checked."""
    size_px: int | None
    """Side of the square; None: as large as the product's own pixels allow, within `sides_px`."""
    sides_px: tuple[int, int] = (MIN_SIZE_PX, MAX_AUTO_SIZE_PX)
    """Smallest and largest side where `size_px` is None. Only a side below the smallest is reached by enlargement."""
    fill: float
    format: OutputFormat
    background: tuple[int, int, int] = (255, 255, 255)
    shadow: Shadow = Shadow.NONE
    content: Content = Content.PICTURE
    max_bytes: int | None = None
    prompt: str = ""
    hints: tuple[Hint, ...] = ()
    """Regions of the photo that are product or backdrop for sure."""
    position: Position = AUTOMATIC
    crop: Region | None = None
    """Region of the photo outside of which nothing is shown."""
    mask: bytes | None = field(default=None, repr=False)
    """File with the product's mask, which replaces the engine's outline; untrusted."""


def resolve(options: TaskOptions) -> PictureSpec:
    """Resolve options into the exact picture to make.

    Raises:
        InvalidRequest: the preset is unknown, a value is out of range, or two options contradict each other.

    """
    preset = PRESETS.get(options.preset)
    if preset is None:
        known = ", ".join(PRESETS)
        raise InvalidRequest("options.preset", f"{options.preset!r} is not a preset; known are {known}")
    _check_ranges(options)
    _check_content(options)
    _check_position(options)
    _check_hints(options)
    _check_crop(options)
    colour = bytes.fromhex((options.background or "#FFFFFF")[1:])
    return PictureSpec(
        preset=preset.name,
        size_px=options.size_px,
        sides_px=(preset.sizes_px[0], preset.size_px or MAX_AUTO_SIZE_PX),
        fill=_fill(options, preset),
        format=options.format or _format(options.content, preset),
        background=(colour[0], colour[1], colour[2]),
        shadow=options.shadow,
        content=options.content,
        max_bytes=preset.max_bytes,
        prompt=options.prompt,
        hints=options.hints,
        position=Position(rotation=options.rotation, move_x=options.move_x, move_y=options.move_y, scale=options.scale),
        crop=options.crop,
    )


def _check_ranges(options: TaskOptions) -> None:
    if options.size_px is not None and not MIN_SIZE_PX <= options.size_px <= MAX_SIZE_PX:
        raise InvalidRequest(
            "options.size_px", f"{options.size_px} is not within {MIN_SIZE_PX} to {MAX_SIZE_PX} pixels"
        )
    if options.fill is not None and not MIN_FILL <= options.fill <= MAX_FILL:
        raise InvalidRequest("options.fill", f"{options.fill:g} is not within {MIN_FILL:g} to {MAX_FILL:g}")
    if options.margin is not None and not MIN_MARGIN <= options.margin <= MAX_MARGIN:
        raise InvalidRequest("options.margin", f"{options.margin:g} is not within {MIN_MARGIN:g} to {MAX_MARGIN:g}")
    if options.margin is not None and options.fill is not None:
        raise InvalidRequest("options.margin", "says the same as fill, which is set too; set one of them")
    if options.background is not None and not _COLOUR.fullmatch(options.background):
        raise InvalidRequest("options.background", f"{options.background!r} is not a colour like #FFFFFF")
    if len(options.prompt) > MAX_PROMPT_LENGTH:
        raise InvalidRequest(
            "options.prompt", f"is {len(options.prompt)} characters long; at most {MAX_PROMPT_LENGTH} are taken"
        )


def _check_position(options: TaskOptions) -> None:
    ranges = (
        ("rotation", options.rotation, -MAX_ROTATION, MAX_ROTATION, " degrees"),
        ("move_x", options.move_x, -MAX_MOVE, MAX_MOVE, ", a share of the side"),
        ("move_y", options.move_y, -MAX_MOVE, MAX_MOVE, ", a share of the side"),
        ("scale", options.scale, MIN_SCALE, MAX_SCALE, ", a factor of the fitted size"),
    )
    for name, value, least, most, unit in ranges:
        if not least <= value <= most:  # Also rejects a NaN.
            raise InvalidRequest(f"options.{name}", f"{value:g} is not within {least:g} to {most:g}{unit}")


def check_hints(count: int) -> None:
    """Check how many hints a picture has.

    Raises:
        InvalidRequest: more than `MAX_HINTS`.

    """
    if count > MAX_HINTS:
        raise InvalidRequest("options.hints", f"there are {count} hints; at most {MAX_HINTS} are allowed")


def _check_content(options: TaskOptions) -> None:
    if options.content is Content.PICTURE:
        return
    if options.background is not None:
        raise InvalidRequest("options.background", f"a {options.content.value} result has none; leave it out")
    if options.content is Content.MASK and options.shadow is not Shadow.NONE:
        raise InvalidRequest("options.shadow", "a mask shows the product only; leave it out")
    if options.content is Content.TRANSPARENT and options.format is JPEG:
        raise InvalidRequest("options.format", "JPEG has no transparency; choose PNG or WebP")


def _check_hints(options: TaskOptions) -> None:
    check_hints(len(options.hints))
    for number, hint in enumerate(options.hints):
        _check_region(hint.region, f"options.hints[{number}].region")
    if options.hints and options.engine.generative:
        raise InvalidRequest(
            "options.engine",
            f"{options.engine.value!r} makes a new picture, to which hints don't apply; use auto or local, or no hints",
        )


def _check_crop(options: TaskOptions) -> None:
    if options.crop is None:
        return
    _check_region(options.crop, "options.crop")
    if options.engine.generative:
        raise InvalidRequest(
            "options.engine",
            f"{options.engine.value!r} makes a new picture, to which a crop of the photo does not apply; "
            "use auto or local, or no crop",
        )


def _check_region(region: Region, field: str) -> None:
    # Written so that a NaN, which compares as false, is rejected too.
    if not (0.0 <= region.left < region.right <= 1.0 and 0.0 <= region.top < region.bottom <= 1.0):
        raise InvalidRequest(
            field,
            f"left {region.left:g}, top {region.top:g}, right {region.right:g}, bottom {region.bottom:g} is no "
            "region; use shares of the upright photo from 0 to 1, left below right and top below bottom",
        )


def _fill(options: TaskOptions, preset: Preset) -> float:
    if options.margin is not None:
        return 1.0 - 2.0 * options.margin
    return preset.fill if options.fill is None else options.fill


def _format(content: Content, preset: Preset) -> OutputFormat:
    """Return the preset's format, or PNG for transparent results and masks."""
    return preset.format if content is Content.PICTURE else PNG
