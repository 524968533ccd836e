"""Which pieces of a mask are products, and which pieces that may be products were left out."""

from __future__ import annotations

import cv2
import numpy as np

from generator_service.imaging.box import Box
from generator_service.imaging.cutting.border import Backdrop, Floats, inside_frame
from generator_service.imaging.cutting.look import Look, Mask

_SPECK = 0.0004
"""A piece smaller than this share of the largest one is dust or noise."""
_FEWEST_PIXELS = 6
_LARGE = 0.04
"""A piece of this share of the largest one is kept for its edges alone."""
_CONTRAST = 2.0
"""A smaller one must also differ from the backdrop by this multiple of the tolerance."""
_EDGED, _EDGE = 0.6, 1.5
"""More than this share of the boundary must be this many times as hard as noise."""
_INTRUDER = 0.5
"""A piece cut off by the frame must be this share of the largest whole one to count as a product."""
_UNSEEN, _CRUMBS = 0.1, 0.01
"""Pieces to which a network gives less than the first on average are crumbs if all of them together are smaller than
the second, as a share of the largest piece: networks overlook whole items and thin chains, but those are more."""
INTRUDER = 0.03
"""A piece cut off by the frame, beside a whole product and smaller than this share of it, is another object. Such
pieces measured up to 0.024, cut off parts of products 0.05 and more."""
_LEAST_REPORTED = 1e-4
"""A left-out piece smaller than this share of the photo is not reported."""
_APART = 3
"""A left-out piece nearer than this, in pixels, to the product is its rim or its shadow."""


def products_among(look: Look, mask: Mask) -> Mask:
    """Keep the pieces of an H×W mask that are products, by size, contrast and edges; a mask of specks yields none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0.0
    largest = float(areas.max())
    cut_off = np.isin(np.arange(count), np.asarray(labels)[inside_frame(*mask.shape)])
    whole = float(np.where(cut_off, 0.0, areas).max())
    hard = cv2.dilate((look.hardness > _EDGE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    keep = np.zeros(count, np.bool_)
    for number in np.flatnonzero(areas >= max(_SPECK * largest, _FEWEST_PIXELS)).tolist():
        if cut_off[number] and areas[number] < _INTRUDER * whole:
            continue
        if areas[number] == largest:
            keep[number] = True
            continue
        left, top, width, height, _ = stats[number].tolist()
        window = (slice(max(top - 2, 0), top + height + 2), slice(max(left - 2, 0), left + width + 2))
        piece = labels[window] == number
        boundary = piece & (cv2.erode(np.pad(piece, 1).astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0)
        distinct = float(np.median(look.distance[window][piece])) > _CONTRAST * look.tolerance
        edged = float(np.mean(hard[window][boundary])) > _EDGED
        keep[number] = edged and (distinct or areas[number] > _LARGE * largest)
    kept: Mask = keep[labels]
    return kept


def without_strays(mask: Mask, expected: Floats) -> Mask:
    """Remove crumbs that a network does not see, and small objects at the frame, from an H×W mask.

    ``expected`` is the network's alpha, H×W, 0 to 1.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0.0
    largest = float(areas.max())
    seen = np.bincount(labels.ravel(), weights=expected.ravel(), minlength=count) / np.maximum(areas, 1.0)
    crumbs = (areas < largest) & (seen < _UNSEEN)
    stray = crumbs if float(areas[crumbs].sum()) < _CRUMBS * largest else np.zeros(count, np.bool_)
    cut_off = np.isin(np.arange(count), np.asarray(labels)[inside_frame(*mask.shape)])
    if not cut_off[int(np.argmax(areas))]:
        stray |= cut_off & (areas < INTRUDER * largest)
    stray[0] = False
    kept: Mask = mask & ~stray[labels]
    return kept


def left_out(backdrop: Backdrop, candidates: Mask, kept: Mask) -> tuple[Box, ...]:
    """Return the boxes, in pixels, of candidates that stand apart from the product and differ from the backdrop."""
    beside = cv2.dilate(kept.astype(np.uint8), np.ones((2 * _APART + 1, 2 * _APART + 1), np.uint8)) > 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=8)
    tolerance = max(3.0, 2.5 * backdrop.noise)
    boxes = []
    for number in range(1, count):
        left, top, width, height, area = stats[number].tolist()
        window = (slice(top, top + height), slice(left, left + width))
        piece = labels[window] == number
        if area < max(_FEWEST_PIXELS, _LEAST_REPORTED * candidates.size) or (piece & beside[window]).any():
            continue
        if float(np.median(backdrop.distance[window][piece])) > _CONTRAST * tolerance:
            boxes.append((area, Box(left, top, left + width, top + height)))
    return tuple(box for _, box in sorted(boxes, key=lambda sized: -sized[0]))
