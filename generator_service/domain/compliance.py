"""Checks the measurements of a finished file against the rule of its preset."""

from __future__ import annotations

from collections.abc import Iterator

from generator_service.domain.cutout_checks import cutout_checks
from generator_service.domain.measurements import Measurements
from generator_service.domain.presets import PRESETS, PictureSpec, Preset
from generator_service.domain.report import Check, Report, Verdict, check_of
from generator_service.domain.task_options import CUSTOM_PRESET, Content, OutputFormat

FILL_TOLERANCE = 0.02
MAX_OFF_CENTRE = 0.02
MIN_NEAR_WHITE = 0.05
MAX_HALO = 0.3
MAX_FRINGE = 0.15
"""Clean results measured up to 0.10; a visible rim of the backdrop's colour 0.18 and more."""
MAX_PARTS = 4
MAX_SPECKS = 3
MIN_SHARPNESS = 0.5
MAX_FRAME_TOUCH = 0.01
MIN_LIKENESS = 0.55
WHITE_BORDER = "exactly 255, 255, 255"
FULL = 0.97
"""Fill above which the product reaches the border intentionally."""


def judge(measured: Measurements, spec: PictureSpec) -> Report:
    """Check a file that was made to ``spec``."""
    preset = PRESETS[spec.preset]
    checks = [*_background(measured, spec, preset), *_geometry(measured, spec, preset), *_file(measured, spec, preset)]
    if spec.content is not Content.MASK:
        checks += _product(measured)
        checks += cutout_checks(measured.cutout)
    return Report(preset=preset.name, checks=tuple(checks))


def _background(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    white = preset.white and not (preset.transparent and spec.content is Content.TRANSPARENT)
    if white and spec.content is not Content.PICTURE:
        message = "This market asks for a picture on white; leave the content out, or choose another preset."
        yield check_of("border", None, WHITE_BORDER, good=False, message=message)
        return
    difference = measured.white_border if white else measured.border
    wished = preset.name == CUSTOM_PRESET and (spec.fill > FULL or not spec.position.automatic)
    if white and spec.background != (255, 255, 255):
        message = "The background is not white, which this market asks for; leave the background out."
    else:
        message = "The border is not exactly the background; choose a lower fill, or PNG as the format."
        if not spec.position.automatic:
            message = "The border is not exactly the background: the product reaches it; scale or move it less."
    yield check_of(
        "border",
        difference,
        WHITE_BORDER if white else "exactly the background",
        good=difference == 0,
        message=message,
        otherwise=Verdict.WARNED if wished else Verdict.FAILED,
    )
    if measured.near_white is not None:
        yield check_of(
            "near_white",
            measured.near_white,
            f"at least {MIN_NEAR_WHITE:g}",
            good=measured.near_white >= MIN_NEAR_WHITE or wished,
            message="There is hardly any background left in the picture; check that the backdrop was removed.",
            otherwise=Verdict.WARNED,
        )


def _geometry(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    position = spec.position
    low, high = preset.fills
    if preset.name == CUSTOM_PRESET:
        # Only whole pixels can be filled.
        tolerance = max(FILL_TOLERANCE, 2.0 / measured.side)
        wanted = min(1.0, spec.fill * position.scale)
        low, high = wanted - tolerance, min(1.0, wanted + tolerance)
    yield check_of(
        "fill",
        measured.fill,
        f"{max(low, 0.0):.4g} to {high:.4g}",
        good=low <= measured.fill <= high,
        message=f"The product takes {measured.fill:.1%} of the side; ask for a fill between {low:.0%} and {high:.0%}."
        if position.automatic
        else f"The product takes {measured.fill:.1%} of the side; scale or move it so that it takes {low:.0%} to "
        f"{high:.0%}.",
        # No rule of a market: the product was scaled and moved on purpose, and a part of it left the frame.
        otherwise=Verdict.WARNED if preset.name == CUSTOM_PRESET and not position.automatic else Verdict.FAILED,
    )
    yield check_of(
        "centring",
        measured.off_centre,
        f"at most {MAX_OFF_CENTRE:g}",
        good=measured.off_centre <= max(MAX_OFF_CENTRE, 1.0 / measured.side),
        message="The product is not in the middle of the picture."
        if position.automatic
        else "The product is not in the middle of the picture, because of its position by hand; move it less.",
        otherwise=Verdict.FAILED if position.automatic else Verdict.WARNED,
    )
    smallest, largest = preset.sizes_px
    yield check_of(
        "size",
        measured.side,
        f"{smallest} to {largest} px",
        good=smallest <= measured.side <= largest,
        message=f"The picture has {measured.side} pixels a side; ask for {smallest} to {largest}.",
    )


def _file(measured: Measurements, spec: PictureSpec, preset: Preset) -> Iterator[Check]:
    names = ", ".join(each.name for each in OutputFormat if each in preset.formats)
    yield check_of(
        "format",
        None,
        names,
        good=spec.format in preset.formats,
        message=f"The market does not take {spec.format.name}; choose {names}.",
    )
    yield check_of(
        "bytes",
        measured.size_bytes,
        "" if preset.max_bytes is None else f"at most {preset.max_bytes}",
        good=preset.max_bytes is None or measured.size_bytes <= preset.max_bytes,
        message=f"The file has {measured.size_bytes:,} bytes; choose a smaller size, or JPEG.",
    )


def _product(measured: Measurements) -> Iterator[Check]:
    if measured.halo is not None:
        yield check_of(
            "halo",
            measured.halo,
            f"at most {MAX_HALO:g}",
            good=measured.halo <= MAX_HALO,
            message="Much of the outline has a pale fringe; check the edges.",
            otherwise=Verdict.WARNED,
        )
    if measured.fringe is not None:
        yield check_of(
            "fringe",
            measured.fringe,
            f"at most {MAX_FRINGE:g}",
            good=measured.fringe <= MAX_FRINGE,
            message="Much of the outline keeps the colour of the old backdrop; check the edges.",
            otherwise=Verdict.WARNED,
        )
    yield from _components(measured)
    if measured.sharpness is not None:
        yield check_of(
            "sharpness",
            measured.sharpness,
            f"at least {MIN_SHARPNESS:g}",
            good=measured.sharpness >= MIN_SHARPNESS,
            message="The product has clearly less detail than in the photo sent in; compare the two.",
            otherwise=Verdict.WARNED,
        )
    generated = measured.likeness is not None
    yield check_of(
        "whole",
        measured.frame_touch,
        f"at most {MAX_FRAME_TOUCH:g}",
        good=measured.frame_touch <= MAX_FRAME_TOUCH,
        message="The product touches the photo's edge and may be cut off; leave some room around it.",
        # A generated picture must not crop the product; a submitted photo may be cropped on purpose.
        otherwise=Verdict.FAILED if generated else Verdict.WARNED,
    )
    if measured.likeness is not None:
        yield check_of(
            "same_product",
            measured.likeness,
            f"at least {MIN_LIKENESS:g}",
            good=measured.likeness >= MIN_LIKENESS,
            message="The product does not look like the one in the photo sent in; compare the two.",
        )


def _components(measured: Measurements) -> Iterator[Check]:
    parts, specks = measured.parts, measured.specks
    yield check_of(
        "components",
        parts,
        f"1 to {MAX_PARTS}",
        good=1 <= parts <= MAX_PARTS,
        message=f"There are {parts} parts; check that all of them are the product."
        if parts
        else "Nothing in the picture can be told from its background.",
        otherwise=Verdict.WARNED if parts else Verdict.FAILED,
    )
    yield check_of(
        "specks",
        specks,
        f"at most {MAX_SPECKS}",
        good=specks <= MAX_SPECKS,
        message=f"There are {specks} specks beside the product; check that they belong to it.",
        otherwise=Verdict.WARNED,
    )
