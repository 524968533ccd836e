"""Measures a finished file: what a market's checker, or a careful person, would look at.

All of it is measured on the decoded file, with the alpha that it was made by to tell product from shadow.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.compliance import Measurements
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Content
from generator_service.imaging.border import inside_frame
from generator_service.imaging.compose import Box, bounding_box, difference
from generator_service.imaging.cutout import Outline
from generator_service.imaging.encode import border_difference
from generator_service.imaging.likeness import Product, likeness, sharpness
from generator_service.imaging.segment import shrink

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_WHITE = (255, 255, 255)
_NEAR = 5
_SHOWN = 8
"""A pixel shows product where a channel differs by more than this from the background: above JPEG's ringing."""
_FULL_SIDE = 1000
"""Outline and parts are looked at in a copy of at most this size."""
_PART, _SPECK_PX = 0.01, 9
"""A part is at least this share of the largest; a speck less, but so many pixels."""
_FRINGE = (1.5, 3.5)
"""Depth of the rim under the outline, in pixels of that copy."""
_PALE, _STRONG = 40, 110
_REACH = 17


def measure(
    *,
    pixels: Pixels,
    alpha: Pixels,
    spec: PictureSpec,
    size_bytes: int,
    source: Product,
    border: tuple[int, ...],
    outline: Outline,
    enlargement: float,
    original: Product | None = None,
) -> Measurements:
    """Measure a decoded file.

    ``border`` is what the border should be, a number per channel; ``enlargement`` as in `Canvas`.
    ``pixels`` are N×N×3, N×N×4 or, of a mask, N×N; ``alpha`` is the N×N alpha it was made by; ``source`` is the
    product in the photo that was cut out, ``original`` that in the photo sent in, where another engine made the
    former of it.
    """
    side = pixels.shape[0]
    shown = _shown(pixels, alpha, spec)
    box = bounding_box(shown) or Box(0, 0, side, side)
    picture = None if spec.content is Content.MASK else _on_background(pixels, spec)
    small = None if picture is None else shrink(picture, _FULL_SIDE)
    parts, specks = _parts(shown)
    result = None if picture is None or parts == 0 else Product.cut(picture, alpha)
    return Measurements(
        border=border_difference(pixels, border),
        white_border=border_difference(pixels, _WHITE) if pixels.ndim == 3 and pixels.shape[2] == 3 else 0,
        near_white=_near_background(pixels, spec) if spec.content is Content.PICTURE else None,
        fill=min(1.0, box.longest / side),
        off_centre=max(abs(box.left + box.right - side), abs(box.top + box.bottom - side)) / (2.0 * side),
        side=side,
        size_bytes=size_bytes,
        halo=None if small is None else _halo(small, shown, spec, enlargement),
        parts=parts,
        specks=specks,
        sharpness=None if result is None else sharpness(result, original or source),
        frame_touch=_frame_touch(outline, source),
        likeness=None if original is None else 0.0 if result is None else likeness(result, original),
    )


def _shown(pixels: Pixels, alpha: Pixels, spec: PictureSpec) -> Mask:
    """Mark where product is to be seen; its shadow does not count."""
    match spec.content:
        case Content.MASK:
            shown: Mask = pixels > _SHOWN
        case Content.TRANSPARENT:
            shown = np.logical_and(pixels[:, :, 3] > _SHOWN, alpha > 0)
        case Content.PICTURE:
            shown = np.logical_and(difference(pixels, spec.background) > _SHOWN, alpha > 0)
    return shown


def _on_background(pixels: Pixels, spec: PictureSpec) -> Pixels:
    """Return an N×N×3 picture: a cut-out is laid over white."""
    if pixels.shape[2] == 3:
        return pixels
    share = pixels[:, :, 3:].astype(np.float32) / 255.0
    over = pixels[:, :, :3] * share + np.array(spec.background, np.float32) * (1.0 - share)
    return np.asarray(np.rint(over), np.uint8)


def _near_background(pixels: Pixels, spec: PictureSpec) -> float:
    return float(np.mean(difference(pixels, spec.background) <= _NEAR))


def _parts(shown: Mask) -> tuple[int, int]:
    """Count the parts of the product, and the specks beside it."""
    small = shrink(shown.astype(np.uint8) * 255, _FULL_SIDE) > 127
    _, _, stats, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return 0, 0
    parts = areas >= _PART * areas.max()
    return int(np.count_nonzero(parts)), int(np.count_nonzero(~parts & (areas >= _SPECK_PX)))


def _halo(small: Pixels, shown: Mask, spec: PictureSpec, enlargement: float) -> float:
    """Return the share of the outline where a pale rim lies around something that stands out clearly."""
    # An edge that was enlarged is softer without being a fringe: the rim is looked for deeper.
    unit = max(1.0, enlargement * small.shape[0] / shown.shape[0])
    inside = shrink(shown.astype(np.uint8) * 255, _FULL_SIDE) > 127
    # A frame of background, so that the outline is closed where the product reaches the border.
    depth = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rim = (depth > _FRINGE[0] * unit) & (depth <= _FRINGE[1] * unit)
    if not rim.any():
        return 0.0
    contrast = difference(small, spec.background)
    near = cv2.dilate(contrast, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_REACH, _REACH)))
    pale = (contrast < _PALE) & (near > _STRONG)
    return float(np.mean(pale[rim]))


def _frame_touch(outline: Outline, source: Product) -> float:
    """Return the share of the photo's frame where there is product."""
    if outline.coarse is None:
        return source.edge_share
    mask = outline.coarse.mask
    inner = inside_frame(*mask.shape)
    return float(np.mean(mask[inner])) if inner.any() else 0.0
