"""The pieces that the product consists of, and the holes torn into it."""

from __future__ import annotations

import cv2
import numpy as np

from generator_service.imaging.checks.evidence import Evidence, Mask
from generator_service.imaging.cutting.segment import shrink

_FULL_SIDE = 1000
"""Pieces are counted in a copy of at most this size."""
_PART, _SPECK_PX = 0.01, 9
"""A part is at least this share of the largest; a speck is smaller, but has at least this many pixels."""
_HOLE_PX, _LARGEST_HOLE = 4, 0.01
"""A torn hole has at least this many pixels of the evidence, and at most this share of the product's area."""
_OPENING, _SPREADS = 6.0, 1.5
"""A hole that shows the backdrop to within this distance (CIELAB), or this multiple of its spread, is an opening."""


def parts_and_specks(shown: Mask) -> tuple[int, int]:
    """Count the parts of the product in an N×N mask, and the specks beside it."""
    small = shrink(shown.astype(np.uint8) * 255, _FULL_SIDE) > 127
    _, _, stats, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return 0, 0
    parts = areas >= _PART * areas.max()
    return int(np.count_nonzero(parts)), int(np.count_nonzero(~parts & (areas >= _SPECK_PX)))


def torn_holes(evidence: Evidence) -> int:
    """Count small holes in the product through which the photo does not show its backdrop.

    On a backdrop that is not plain, every small hole counts.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~evidence.product).astype(np.uint8), connectivity=4)
    frame = np.zeros(count, np.bool_)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        frame[side] = True
    sizes = stats[:, cv2.CC_STAT_AREA]
    holes = (sizes >= _HOLE_PX) & (sizes <= _LARGEST_HOLE * evidence.area) & ~frame
    holes[0] = False  # the product itself
    if evidence.plain and holes.any():
        distances = np.bincount(labels.ravel(), weights=evidence.distance.ravel(), minlength=count) / sizes
        holes &= distances > max(_OPENING, _SPREADS * evidence.spread)
    return int(np.count_nonzero(holes))
