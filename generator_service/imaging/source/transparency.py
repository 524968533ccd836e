"""What a file's alpha channel means: a finished cut-out, or a photo with transparent corners, edges or opacity.

Straightening leaves transparent corners, rounding too; layers are exported at an even opacity; edges fade. In such
files the backdrop is still in the photo. Alpha is a cut-out only where it separates a foreground from surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.barrier import reachable

Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SIDE = 480
"""The shape is judged in a copy of at most this many pixels a side."""
_CLEAR, _SOLID = 26, 128
_LEAST_FOREGROUND = 0.0005
_LEAST_SURROUNDINGS = 0.02
"""Transparent surroundings of a cut-out cover at least this share of the picture …"""
_LEAST_FRAME = 0.25
"""… and this share of its outermost pixels …"""
_LEAST_CRISP = 0.4
"""… and over this share of its outline, alpha rises within `_EDGE_PX`; a vignette fades everywhere."""
_EDGE_PX = 3
_PHOTO_FILL, _PHOTO_SOLIDITY, _PADDED_FILL = 0.9, 0.97, 0.995
"""A photo fills its smallest rectangle and is convex; one between transparent bars is a rectangle exactly."""
_MARGIN = 0.01
"""A photo reaches the frame within this share of the side."""
_RIM_PX = 3
"""Pixels beside transparent ones may be blended with an arbitrary colour."""


@dataclass(frozen=True, slots=True)
class Transparency:
    """The meaning of an alpha channel. At most one of the two is set; neither where all of the photo is visible."""

    cutout: Alpha | None = None
    """H×W: a finished cut-out."""
    visible: Mask | None = None
    """H×W: the visible part of a photo that is not cut out."""


def interpret(alpha: Alpha) -> Transparency:
    """Interpret an H×W alpha channel, 0 to 255; a uniform opacity counts as none."""
    opacity = _at_full_opacity(alpha)
    if opacity is None:
        return Transparency()
    height, width = opacity.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = opacity if scale == 1.0 else np.asarray(cv2.resize(opacity, size, interpolation=cv2.INTER_AREA), np.uint8)
    if _separates(small):
        return Transparency(cutout=opacity)
    visible: Mask = opacity >= _SOLID
    return Transparency() if visible.all() else Transparency(visible=visible)


def fill_invisible(rgb: NDArray[np.uint8], visible: Mask) -> NDArray[np.uint8]:
    """Continue the colours of an H×W×3 photo into its invisible part; its own pixels there are arbitrary.

    Each takes the colour of the nearest visible one, so that neither a white nor a black corner looks like a product.
    """
    hidden = (~visible).astype(np.uint8)
    size = 2 * _RIM_PX + 1
    unknown = cv2.dilate(hidden, np.ones((size, size), np.uint8))
    if unknown.all():
        unknown = hidden
    _, labels = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    known = unknown == 0
    nearest = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    nearest[labels[known]] = rgb[known]
    filled = rgb.copy()
    filled[~known] = nearest[labels[~known]]
    return filled


def _at_full_opacity(alpha: Alpha) -> Alpha | None:
    """Scale a channel so that its most opaque part is solid; None where it is empty or uniform."""
    counts = np.bincount(alpha.ravel(), minlength=256)
    counts[:_CLEAR] = 0
    covered = np.cumsum(counts)
    if covered[-1] == 0:
        return None
    top = int(np.searchsorted(covered, 0.99 * covered[-1]))
    if int(alpha.min()) >= top // 2:
        return None
    if top == 255:
        return alpha
    return np.asarray(np.minimum(alpha.astype(np.uint16) * 255 // top, 255), np.uint8)


def _separates(alpha: Alpha) -> bool:
    """Whether an alpha channel separates a foreground from its surroundings."""
    clear, solid = alpha < _CLEAR, alpha >= _SOLID
    surroundings = reachable(clear)
    frame = np.concatenate((surroundings[0], surroundings[-1], surroundings[1:-1, 0], surroundings[1:-1, -1]))
    if (
        float(np.mean(solid)) < _LEAST_FOREGROUND
        or float(np.mean(surroundings)) < _LEAST_SURROUNDINGS
        or float(np.mean(frame)) < _LEAST_FRAME
    ):
        return False
    outline = (cv2.dilate(surroundings.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~surroundings
    reach = cv2.dilate(alpha, np.ones((2 * _EDGE_PX + 1,) * 2, np.uint8))
    if float(np.mean(reach[outline] >= _SOLID)) < _LEAST_CRISP:
        return False
    return not _is_photo(solid)


def _is_photo(solid: Mask) -> bool:
    """Whether a region has the shape of a photo: a rectangle, straightened, rounded or between two bars."""
    height, width = solid.shape
    rows, columns = np.nonzero(solid)
    left, top = int(columns.min()), int(rows.min())
    right, bottom = width - 1 - int(columns.max()), height - 1 - int(rows.max())
    across = max(left, right) <= max(1.0, _MARGIN * width)
    down = max(top, bottom) <= max(1.0, _MARGIN * height)
    if across != down:
        # Bars on two opposite sides, as added to make a photo square.
        bars = min(left, right) if down else min(top, bottom)
        return bars > 0 and bool(rows.size >= _PADDED_FILL * (width - left - right) * (height - top - bottom))
    if not across:
        return False
    hull = cv2.convexHull(np.stack((columns, rows), axis=1).astype(np.int32))
    # Areas between the centres of the outermost pixels: half of the outline's pixels lie beyond.
    hull_area = cv2.contourArea(hull) + cv2.arcLength(hull, closed=True) / 2.0 + 1.0
    _, sides, _ = cv2.minAreaRect(hull)
    least = max(_PHOTO_SOLIDITY * hull_area, _PHOTO_FILL * (sides[0] + 1.0) * (sides[1] + 1.0))
    return bool(rows.size >= least)
