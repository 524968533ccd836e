"""Fringes along the product's outline: a pale rim, or a rim that keeps the backdrop's colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.placement import Placement
from generator_service.imaging.checks.evidence import Evidence
from generator_service.imaging.cutting.segment import shrink
from generator_service.imaging.output.compose import difference

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]

FULL_SIDE = 1000
"""Rims are measured in a copy of at most this size."""

_PALE_RIM = (1.5, 3.5)
"""Depth of the pale rim under the outline, in pixels of that copy."""
_PALE, _STRONG = 40, 110
_REACH = 17
_SOLID = 200
_RIM, _INNER = (0.0, 2.5), (5.0, 9.0)
"""Depths, in pixels of that copy, of the rim and of the product beside it that its colour is compared with."""
_NEIGHBOURHOOD = 5.0
"""Standard deviation in pixels of that copy."""
_COARSER = 2
"""The product's colour changes slowly, so a copy of half the size is enough for it."""
_CONTRAST = 40.0
"""Distance of product and backdrop, in sRGB levels of 255, below which a mixture of the two can't be measured."""
_HALF = 0.5
_STRAY = 30.0
"""Levels of 255 that a mixture may lie off the line between the two colours."""
_FEWEST = 50
"""Minimum number of rim pixels for a share to be meaningful."""


def pale_share(small: Pixels, shown: Mask, background: tuple[int, int, int], enlargement: float) -> float:
    """Return the share of the outline where a pale rim lies around something that stands out clearly.

    ``small`` is the N×N×3 result shrunk to `FULL_SIDE`, ``shown`` where the full result shows product.
    """
    # An edge that was enlarged is softer without being a fringe: the rim is searched deeper.
    unit = max(1.0, enlargement * small.shape[0] / shown.shape[0])
    inside = shrink(shown.astype(np.uint8) * 255, FULL_SIDE) > 127
    depth = _depth(inside)
    rim = (depth > _PALE_RIM[0] * unit) & (depth <= _PALE_RIM[1] * unit)
    if not rim.any():
        return 0.0
    contrast = difference(small, background)
    near = cv2.dilate(contrast, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_REACH, _REACH)))
    pale = (contrast < _PALE) & (near > _STRONG)
    return float(np.mean(pale[rim]))


def backdrop_share(small: Pixels, alpha: Pixels, evidence: Evidence, placement: Placement) -> float | None:
    """Return the share of the outline that is nearer to the backdrop's colour than to the product's beside it.

    ``small`` is the N×N×3 result shrunk to `FULL_SIDE`, ``alpha`` its alpha at full size. None where product and
    backdrop have nearly the same colour, or there is no backdrop to compare with.
    """
    if evidence.backdrop is None:
        return None
    side = small.shape[0]
    unit = max(1.0, placement.scale * side / alpha.shape[0])
    depth = _depth(shrink(alpha, FULL_SIDE) > _SOLID)
    rows, columns = np.nonzero((depth > _RIM[0]) & (depth <= _RIM[1] * unit))
    if len(rows) < _FEWEST:
        return None
    product, amount = _product_beside(small, (depth > _INNER[0] * unit) & (depth <= _INNER[1] * unit), unit)
    at = np.minimum(rows // _COARSER, product.shape[0] - 1), np.minimum(columns // _COARSER, product.shape[1] - 1)
    beside = product[at]
    way = _backdrop_at(rows, columns, evidence, placement, side / alpha.shape[0]) - beside
    length = (way * way).sum(axis=1)
    judged = (length > _CONTRAST**2) & (amount[at] > 0.01)
    if np.count_nonzero(judged) < _FEWEST:
        return None
    offset = small[rows, columns].astype(np.float32) - beside
    share = (offset * way).sum(axis=1) / np.maximum(length, 1.0)
    stray = np.linalg.norm(offset - np.clip(share, 0.0, 1.0)[:, None] * way, axis=1)
    return float(np.mean(((share > _HALF) & (stray < _STRAY))[judged]))


def _product_beside(small: Pixels, inner: Mask, unit: float) -> tuple[Field, Field]:
    """Return the local colour of the product's inner rim, M×M×3 of a coarser copy, and how much of that there is."""
    size = (max(1, small.shape[1] // _COARSER), max(1, small.shape[0] // _COARSER))
    weight = inner.astype(np.uint8)
    colours = cv2.resize(cv2.bitwise_and(small, small, mask=weight), size, interpolation=cv2.INTER_AREA)
    reach = _NEIGHBOURHOOD * unit / _COARSER
    amount = cv2.GaussianBlur(
        cv2.resize(weight * np.uint8(255), size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0, (0, 0), reach
    )
    total = cv2.GaussianBlur(colours.astype(np.float32), (0, 0), reach)
    return np.asarray(total / np.maximum(amount, 1e-4)[:, :, None], np.float32), np.asarray(amount, np.float32)


def _backdrop_at(
    rows: NDArray[np.int64], columns: NDArray[np.int64], evidence: Evidence, placement: Placement, shrunk: float
) -> Field:
    """Return the local backdrop's colour, K×3 sRGB of 255, where K pixels of the shrunk result lie in the photo."""
    if evidence.backdrop is None:
        raise ValueError("there is no backdrop to compare with")
    height, width = evidence.alpha.shape
    scale = width / placement.photo_width / placement.scale
    across, down = placement.axes
    column, row = (columns + 0.5) / shrunk - placement.x, (rows + 0.5) / shrunk - placement.y
    x, y = (column * across + row * down) * scale, (row * across - column * down) * scale
    lab = evidence.backdrop[np.clip(y, 0, height - 1).astype(np.int64), np.clip(x, 0, width - 1).astype(np.int64)]
    return np.asarray(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0] * 255.0, np.float32)


def _depth(inside: Mask) -> Field:
    # A frame of background, so that the outline is closed where the product reaches the border.
    padded = np.pad(inside.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1], np.float32)
