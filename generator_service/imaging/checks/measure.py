"""Measure a finished file and its cut-out as a marketplace's checker, or a careful person, would inspect them.

The file is decoded again, and the alpha that it was made with separates product from shadow; the cut-out is compared
with the photo (`evidence`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Region
from generator_service.domain.measurements import CutoutMeasurements, Measurements
from generator_service.domain.placement import Placement
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Content
from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.checks.evidence import Evidence
from generator_service.imaging.checks.fragments import parts_and_specks, torn_holes
from generator_service.imaging.checks.fringe import FULL_SIDE, backdrop_share, pale_share
from generator_service.imaging.checks.leftovers import kept_shadow, lost_detail, openings
from generator_service.imaging.checks.likeness import Product, likeness, sharpness
from generator_service.imaging.checks.outline_quality import edge_width, ghosts, torn_share
from generator_service.imaging.cutting.border import inside_frame
from generator_service.imaging.cutting.cutout import Outline
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import shrink
from generator_service.imaging.output.compose import Canvas, difference
from generator_service.imaging.output.encode import border_difference

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_WHITE = (255, 255, 255)
_NEAR = 5
_SHOWN = 8
"""A pixel shows product where a channel differs by more than this from the background: above JPEG's ringing."""


def measure(
    *,
    pixels: Pixels,
    canvas: Canvas,
    spec: PictureSpec,
    size_bytes: int,
    source: Product,
    border: tuple[int, ...],
    outline: Outline,
    placement: Placement,
    evidence: Evidence | None,
    original: Product | None = None,
) -> Measurements:
    """Measure a decoded file.

    ``border`` is the required border colour, a number per channel; ``canvas`` the encoded canvas, ``placement`` the
    photo's position in it. ``pixels`` are N×N×3, N×N×4 or, for a mask, N×N; ``source`` is the product in the photo that
    was cut out, ``original`` the one in the submitted photo, if another engine generated the former from it.
    The generated photo itself is compared with ``original``, because the canvas may be turned or cut off.
    ``evidence`` is the photo with its alpha; None if the file has its own alpha and so no backdrop to compare with.
    """
    side = pixels.shape[0]
    apart = difference(pixels, spec.background) if spec.content is Content.PICTURE else None
    shown = _shown(pixels, apart, canvas.alpha, spec)
    box = bounding_box(shown) or Box(0, 0, side, side)
    picture = None if spec.content is Content.MASK else _on_background(pixels, spec)
    small = None if picture is None else shrink(picture, FULL_SIDE)
    parts, specks = parts_and_specks(shown)
    result = None if picture is None or parts == 0 else Product.cut(picture, canvas.alpha)
    return Measurements(
        border=border_difference(pixels, border),
        white_border=border_difference(pixels, _WHITE) if pixels.ndim == 3 and pixels.shape[2] == 3 else 0,
        near_white=None if apart is None else float(np.mean(apart <= _NEAR)),
        fill=min(1.0, box.longest / side),
        off_centre=max(abs(box.left + box.right - side), abs(box.top + box.bottom - side)) / (2.0 * side),
        side=side,
        size_bytes=size_bytes,
        halo=None if small is None else pale_share(small, shown, spec.background, canvas.enlargement),
        fringe=None
        if small is None or evidence is None or result is None
        else backdrop_share(small, canvas.alpha, evidence, placement),
        parts=parts,
        specks=specks,
        sharpness=None if result is None else _sharpness(result, canvas, spec, source, original),
        frame_touch=_frame_touch(outline, source, spec),
        likeness=None if original is None else 0.0 if result is None else likeness(source, original),
        cutout=None if evidence is None or parts == 0 else measure_cutout(evidence),
    )


def measure_cutout(evidence: Evidence) -> CutoutMeasurements:
    """Measure a cut-out beside its photo."""
    lost = lost_detail(evidence)
    return CutoutMeasurements(
        torn=torn_share(evidence),
        edge_width=edge_width(evidence),
        ghosts=ghosts(evidence),
        holes=torn_holes(evidence),
        openings=openings(evidence),
        shadow=kept_shadow(evidence),
        lost=None if lost is None else float(np.count_nonzero(lost)) / evidence.area,
        lost_region=_region(lost),
    )


def _region(mask: Mask | None) -> Region | None:
    return None if mask is None else region_of(mask)


def _shown(pixels: Pixels, apart: Pixels | None, alpha: Pixels, spec: PictureSpec) -> Mask:
    """Mark where product is to be seen; its shadow does not count.

    ``apart`` is the difference of a picture on a background from it.
    """
    if apart is None:
        apart = pixels if spec.content is Content.MASK else pixels[:, :, 3]
    shown: Mask = apart > _SHOWN
    return shown if spec.content is Content.MASK else np.logical_and(shown, alpha > 0)


def _on_background(pixels: Pixels, spec: PictureSpec) -> Pixels:
    """Return an N×N×3 picture: a cut-out is laid over white."""
    if pixels.shape[2] == 3:
        return pixels
    share = pixels[:, :, 3:].astype(np.float32) / 255.0
    over = pixels[:, :, :3] * share + np.array(spec.background, np.float32) * (1.0 - share)
    return np.asarray(np.rint(over), np.uint8)


def _sharpness(
    result: Product, canvas: Canvas, spec: PictureSpec, source: Product, original: Product | None
) -> float | None:
    """Return the detail of the result relative to the submitted photo, of the parts that both show."""
    if spec.position.automatic:
        return sharpness(result, original or source)
    # The result shows the product turned, or a part of it, so it is compared with the same view before scaling.
    kept = sharpness(result, Product.cut(canvas.source.pixels, canvas.source.alpha))
    made = None if original is None else sharpness(source, original)
    return kept if kept is None or made is None else kept * made


def _frame_touch(outline: Outline, source: Product, spec: PictureSpec) -> float:
    """Return the share of the photo's frame, or of its crop's, where there is product."""
    if outline.coarse is None or spec.crop is not None:
        return source.edge_share
    mask = outline.coarse.mask
    inner = inside_frame(*mask.shape)
    return float(np.mean(mask[inner])) if inner.any() else 0.0
