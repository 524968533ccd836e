"""Judges the measurements of a finished file by the rule of its preset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator_service.domain.presets import PRESETS, PictureSpec, Preset
from generator_service.domain.report import Check, Report, Verdict
from generator_service.domain.task import CUSTOM_PRESET, Content, OutputFormat

FILL_TOLERANCE = 0.02
MAX_OFF_CENTRE = 0.02
MIN_NEAR_WHITE = 0.05
MAX_HALO = 0.3
MAX_PARTS = 4
MAX_SPECKS = 3
MIN_SHARPNESS = 0.5
MAX_FRAME_TOUCH = 0.01
MIN_LIKENESS = 0.55
FULL = 0.97
"""Asked for more fill than this, the product reaches the border by its owner's wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What was measured of a file, decoded again. Shares are 0 to 1; None where there is nothing to measure."""

    border: int
    """Largest difference of any border pixel from the background, of 255."""
    white_border: int
    """The same from pure white."""
    near_white: float | None
    """Share of the picture within 5 of 255 of the background."""
    fill: float
    """The product's longest visible side as a share of the picture's side."""
    off_centre: float
    """Distance of the product's middle from the picture's, as a share of the side."""
    side: int
    """Pixels."""
    size_bytes: int
    halo: float | None
    """Share of the product's outline with a pale fringe."""
    parts: int
    """Separate parts of the product of some size."""
    specks: int
    """Separate parts that are next to nothing."""
    sharpness: float | None
    """Detail of the product beside that of the photo sent in; 1 is as sharp."""
    frame_touch: float
    """Share of the photo's frame that the product touches."""
    likeness: float | None = None
    """Likeness to the product of the photo sent in; of generated pictures only."""


def judge(measured: Measurements, spec: PictureSpec) -> Report:
    """Judge a file that was made to ``spec``."""
    preset = PRESETS[spec.preset]
    checks = [*_background(measured, spec, preset), *_geometry(measured, spec, preset), *_file(measured, spec, preset)]
    if spec.content is not Content.MASK:
        checks += _product(measured)
    return Report(preset=preset.name, checks=tuple(checks))


def _check(
    name: str, value: float | None, limit: str, *, good: bool, message: str, otherwise: Verdict = Verdict.FAILED
) -> Check:
    value = None if value is None else round(value, 4)
    if good:
        return Check(name=name, verdict=Verdict.PASSED, value=value, limit=limit)
    return Check(name=name, verdict=otherwise, value=value, limit=limit, message=message)


def _background(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    white = preset.white and spec.content is Content.PICTURE
    difference = measured.white_border if white else measured.border
    wished = spec.fill > FULL and preset.name == CUSTOM_PRESET
    if white and spec.background != (255, 255, 255):
        message = "The background is not white, which this market asks for; leave the background out."
    else:
        message = "The border is not exactly the background; choose a lower fill, or PNG as the format."
    yield _check(
        "border",
        difference,
        "exactly 255, 255, 255" if white else "exactly the background",
        good=difference == 0,
        message=message,
        otherwise=Verdict.WARNED if wished else Verdict.FAILED,
    )
    if measured.near_white is not None:
        yield _check(
            "near_white",
            measured.near_white,
            f"at least {MIN_NEAR_WHITE:g}",
            good=measured.near_white >= MIN_NEAR_WHITE or wished,
            message="There is hardly any background left in the picture; check that the backdrop was removed.",
            otherwise=Verdict.WARNED,
        )


def _geometry(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    low, high = preset.fills
    if preset.name == CUSTOM_PRESET:
        # Only whole pixels can be filled.
        tolerance = max(FILL_TOLERANCE, 2.0 / measured.side)
        low, high = spec.fill - tolerance, min(1.0, spec.fill + tolerance)
    yield _check(
        "fill",
        measured.fill,
        f"{max(low, 0.0):.4g} to {high:.4g}",
        good=low <= measured.fill <= high,
        message=f"The product takes {measured.fill:.1%} of the side; ask for a fill between {low:.0%} and {high:.0%}.",
    )
    yield _check(
        "centring",
        measured.off_centre,
        f"at most {MAX_OFF_CENTRE:g}",
        good=measured.off_centre <= max(MAX_OFF_CENTRE, 1.0 / measured.side),
        message="The product is not in the middle of the picture.",
    )
    smallest, largest = preset.sizes_px
    yield _check(
        "size",
        measured.side,
        f"{smallest} to {largest} px",
        good=smallest <= measured.side <= largest,
        message=f"The picture has {measured.side} pixels a side; ask for {smallest} to {largest}.",
    )


def _file(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    names = ", ".join(each.name for each in OutputFormat if each in preset.formats)
    yield _check(
        "format",
        None,
        names,
        good=spec.format in preset.formats,
        message=f"The market does not take {spec.format.name}; choose {names}.",
    )
    yield _check(
        "bytes",
        measured.size_bytes,
        "" if preset.max_bytes is None else f"at most {preset.max_bytes}",
        good=preset.max_bytes is None or measured.size_bytes <= preset.max_bytes,
        message=f"The file has {measured.size_bytes:,} bytes; choose a smaller size, or JPEG.",
    )


def _product(measured: Measurements) -> Iterator[Check]:
    if measured.halo is not None:
        yield _check(
            "halo",
            measured.halo,
            f"at most {MAX_HALO:g}",
            good=measured.halo <= MAX_HALO,
            message="Much of the outline has a pale fringe; check the edges.",
            otherwise=Verdict.WARNED,
        )
    yield _components(measured)
    if measured.sharpness is not None:
        yield _check(
            "sharpness",
            measured.sharpness,
            f"at least {MIN_SHARPNESS:g}",
            good=measured.sharpness >= MIN_SHARPNESS,
            message="The product has clearly less detail than in the photo sent in; compare the two.",
            otherwise=Verdict.WARNED,
        )
    generated = measured.likeness is not None
    yield _check(
        "whole",
        measured.frame_touch,
        f"at most {MAX_FRAME_TOUCH:g}",
        good=measured.frame_touch <= MAX_FRAME_TOUCH,
        message="The product touches the photo's edge and may be cut off; leave some room around it.",
        # Who makes the picture must not crop; of a photo sent in so, its owner may know best.
        otherwise=Verdict.FAILED if generated else Verdict.WARNED,
    )
    if measured.likeness is not None:
        yield _check(
            "same_product",
            measured.likeness,
            f"at least {MIN_LIKENESS:g}",
            good=measured.likeness >= MIN_LIKENESS,
            message="The product does not look like the one in the photo sent in; compare the two.",
        )


def _components(measured: Measurements) -> Check:
    if measured.parts == 0:
        good, otherwise, message = False, Verdict.FAILED, "Nothing in the picture can be told from its background."
    else:
        good = measured.parts <= MAX_PARTS and measured.specks <= MAX_SPECKS
        otherwise = Verdict.WARNED
        message = f"There are {measured.parts} parts and {measured.specks} specks; check that all of it is the product."
    limit = f"1 to {MAX_PARTS}, and at most {MAX_SPECKS} specks"
    return _check("components", measured.parts, limit, good=good, message=message, otherwise=otherwise)
