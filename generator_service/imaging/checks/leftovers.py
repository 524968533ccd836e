"""Measure backdrop kept in the cut-out and product cut away, on backdrops that are even enough."""

from __future__ import annotations

import cv2
import numpy as np

from generator_service.imaging.checks.evidence import Evidence, Mask

_SQUARE_3, _SQUARE_5, _SQUARE_7 = (np.ones((side, side), np.uint8) for side in (3, 5, 7))

_LIKE_BACKDROP = 2.0
"""CIELAB distance below which no viewer sees a difference from the backdrop; noisy backdrops allow their own spread."""
_DIFFERENT, _SPREADS = 10.0, 3.0
"""Product differs from the backdrop by at least this distance (CIELAB), and by this multiple of its spread."""
_SHADOW_DARKER, _SHADOW_DARKEST = 1.5, 45.0
"""Range in which a shadow is darker than the backdrop, of 100: contact shadows by up to about 40."""
_SHADOW_TINT, _TINT_PER_DARKNESS = 4.0, 0.1
"""Maximum difference of a shadow's hue from the backdrop's, higher where it is darker."""
_SOFT = 5.0
"""A shadow's colour changes by less than this (CIELAB) per pixel; edges of products measured 10 and more."""
_FADED = 0.6
"""A shadow is at its outline less than this share as dark as inside; a product is as dark up to its edge."""
_SMALLEST = 0.002
"""Pieces of less than this share of the product's area are noise."""
_SMALLEST_SHADOW = 0.003
_RIM = 3


def openings(evidence: Evidence) -> float | None:
    """Return the area inside the product that looks exactly like the backdrop, as a share of the product's area.

    Rings, handles and chains whose openings were kept, and clear glass. None where the backdrop is not plain.
    """
    if not evidence.plain:
        return None
    inside = cv2.erode(evidence.product.astype(np.uint8), _SQUARE_7) > 0
    like = inside & (evidence.distance < max(_LIKE_BACKDROP, evidence.spread))
    # A gap of the outline's own blur, or noise, is no opening.
    return _share(cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, _SQUARE_5) > 0, evidence)


def kept_shadow(evidence: Evidence) -> float | None:
    """Return the area of shadow kept below the product, as a share of the product's area.

    A shadow darkens the backdrop without tinting it, is soft, reaches the outline in the lower half of the product and
    fades towards it. None where the backdrop is not plain.
    """
    if not evidence.plain:
        return None
    darker = evidence.darker
    like = evidence.product & (darker > _SHADOW_DARKER) & (darker < _SHADOW_DARKEST)
    like &= evidence.tinted < _SHADOW_TINT + _TINT_PER_DARKNESS * darker
    like &= cv2.dilate(evidence.gradient, _SQUARE_3) < _SOFT
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.asarray(cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, _SQUARE_3))
    )
    depth = cv2.distanceTransform(evidence.product.astype(np.uint8), cv2.DIST_L2, 3)
    rows = np.flatnonzero(evidence.product.any(axis=1))
    total = 0
    for index in range(1, count):
        _, top, _, height, size = stats[index]
        if size < _SMALLEST_SHADOW * evidence.area or top + height <= (rows[0] + rows[-1]) / 2:
            continue
        part = labels == index
        rim = part & (depth <= _RIM)
        if np.count_nonzero(rim) < 0.02 * size + 5:
            continue
        if float(np.mean(darker[rim])) < _FADED * float(np.percentile(darker[part], 85)):
            total += int(size)
    return total / evidence.area


def lost_detail(evidence: Evidence) -> Mask | None:
    """Mark pixels cut away although they clearly differ from the backdrop; None where the backdrop is not plain.

    Shadows do not count, nor do pieces that reach the photo's frame: props, and the backdrop's own end.
    """
    if not evidence.plain:
        return None
    darker = evidence.darker
    shadow = (darker > 0) & (darker < _SHADOW_DARKEST) & (evidence.gradient < _SOFT)
    shadow &= evidence.tinted < 1.5 * (_SHADOW_TINT + _TINT_PER_DARKNESS * darker)
    different = evidence.distance > max(_DIFFERENT, _SPREADS * evidence.spread)
    candidate = (different & evidence.outside & ~shadow).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.asarray(cv2.morphologyEx(candidate, cv2.MORPH_OPEN, _SQUARE_3))
    )
    height, width = candidate.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    lost = (left > _RIM) & (top > _RIM) & (right < width - _RIM) & (bottom < height - _RIM)
    lost &= stats[:, cv2.CC_STAT_AREA] >= _SMALLEST * evidence.area
    lost[0] = False
    return np.asarray(lost[labels], np.bool_)


def _share(mask: Mask, evidence: Evidence) -> float:
    return float(np.count_nonzero(mask)) / evidence.area
