"""Openings of thin products, such as rings, chains, wheels and coiled cables, that were filled.

Neither opinion on a photo decides these by itself: the network fills every outline, and the colour model of GrabCut
learns the backdrop inside an outline as the product's. An opening shows the backdrop as it is beside the product, or
slightly shaded. A label or a glossy face may do so too, so openings are only looked for in products that are thin
everywhere else.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import bounding_box
from generator_service.imaging.cutting.border import Floats, across_and_dimming, smooth_lab
from generator_service.imaging.cutting.reconcile import disc

Mask = NDArray[np.bool_]

_CLEARANCE = 2
"""Pixels around the mask whose colours are mixed with the product's."""
_REACHES = (0.02, 0.06, 0.2)
"""Widths of the neighbourhoods, as shares of the longest side, over which the backdrop's colour is averaged."""
_LEAST_TOLERANCE, _MOST_TOLERANCE = 2.5, 5.0
"""Lab distance within which a colour is the backdrop's; a backdrop that needs more than the second is not even."""
_SHADE, _MEDIAN_SHADE = 12.0, 6.0
"""How much darker than the backdrop a pixel of an opening, and half of its pixels, may be, in Lab units."""
_TINT, _BRIGHTER = 1.2, 1.0
"""By how much an opening may differ from the backdrop in hue, and be brighter: no light falls from a hole."""
_LEAST_AREA = 8
"""Openings of fewer pixels are gaps of the outline's own blur."""
_TOUCHING = 0.1
"""An opening with more of its boundary than this at the mask's edge is a strip that the outline kept."""
_CONTRAST = 1.2
"""Four fifths of the product around an opening differ from the backdrop by this multiple of the tolerance."""
_THIN = 0.07
"""A product is thin if no disc of this radius, as a share of its longest side, fits into it beside its openings."""
_SPECK, _SPECK_DISTANCE = 0.005, 2.5
"""A piece left in an opening is noise if it is smaller than this share of the openings, and half of its pixels are
nearer to the backdrop than this multiple of the tolerance."""
_UNEVEN = 2.5
"""An opening varies less than this, in Lab units, or twice as much as the backdrop: the wires of a mesh vary more."""


def openings(mask: Mask, rgb: NDArray[np.uint8], surface: Floats) -> Mask:
    """Mark the openings that an H×W mask of an H×W×3 sRGB picture at working size fills.

    ``surface`` is the modelled backdrop, H×W×3 Lab. Nothing is marked where the product is not thin.
    """
    nothing = np.zeros_like(mask)
    box = bounding_box(mask)
    solid = mask.astype(np.uint8)
    outside = cv2.dilate(solid, disc(_CLEARANCE)) == 0
    if box is None or not outside.any():
        return nothing
    colours = smooth_lab(rgb, 0.6)
    across, dimming = across_and_dimming(colours, _corrected(surface, colours, outside))
    distance = np.hypot(across, dimming)
    tolerance = max(_LEAST_TOLERANCE, float(np.percentile(distance[outside], 95)))
    if tolerance > _MOST_TOLERANCE:
        return nothing
    like: Mask = mask & (across < tolerance) & (dimming < tolerance) & (dimming > -tolerance - _SHADE)
    body = (mask & ~like).astype(np.uint8)
    if cv2.distanceTransform(body, cv2.DIST_L2, 5).max() > _THIN * box.longest:
        return nothing
    hue = float(np.median(across[outside])) + _TINT
    even = max(_UNEVEN, 2.0 * float(np.std(distance[outside])))
    found = nothing.copy()
    count, labels, stats, _ = cv2.connectedComponentsWithStats(like.astype(np.uint8), connectivity=4)
    for number in range(1, count):
        left, top, width, height, area = stats[number].tolist()
        if area < _LEAST_AREA:
            continue
        window = (slice(max(0, top - 3), top + height + 3), slice(max(0, left - 3), left + width + 3))
        region = labels[window] == number
        around = (cv2.dilate(region.astype(np.uint8), disc(2)) > 0) & ~region
        beside = around & mask[window]
        inner = cv2.erode(region.astype(np.uint8), disc(1), borderValue=0) > 0
        shade = float(np.median(dimming[window][region]))
        if (
            np.count_nonzero(beside) >= (1.0 - _TOUCHING) * np.count_nonzero(around)
            and float(np.median(across[window][region])) < hue
            and -_MEDIAN_SHADE < shade < _BRIGHTER
            and float(np.percentile(distance[window][beside], 20)) > _CONTRAST * tolerance
            and (not inner.any() or float(np.std(distance[window][inner])) < even)
        ):
            found[window] |= region
    return found | _specks(mask & ~found, found, distance < _SPECK_DISTANCE * tolerance)


def _specks(rest: Mask, opened: Mask, noise_like: Mask) -> Mask:
    """Mark the pieces of the rest of a mask that are noise or grain of the backdrop in an opening."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest.astype(np.uint8), connectivity=8)
    sizes = stats[:, cv2.CC_STAT_AREA]
    faint = np.bincount(labels.ravel(), weights=noise_like.ravel(), minlength=count)
    beside = np.zeros(count, np.bool_)
    beside[labels[cv2.dilate(opened.astype(np.uint8), disc(1)) > 0]] = True
    speck = beside & (sizes <= _SPECK * np.count_nonzero(opened)) & (faint > 0.5 * sizes)
    speck[0] = False
    marked: Mask = speck[labels]
    return marked


def _corrected(surface: Floats, colours: Floats, outside: Mask) -> Floats:
    """Return the modelled backdrop, H×W×3, shifted to the colours that are seen around each pixel."""
    size = (max(1, outside.shape[1] // 4), max(1, outside.shape[0] // 4))
    weight = outside.astype(np.float32)
    weights = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    shifts = cv2.resize((colours - surface) * weight[:, :, None], size, interpolation=cv2.INTER_AREA)
    shift, known = np.zeros_like(shifts), np.zeros(weights.shape, np.bool_)
    for reach in _REACHES:
        amount, total = (cv2.GaussianBlur(part, (0, 0), reach * max(size)) for part in (weights, shifts))
        shift = np.where(known[:, :, None], shift, total / np.maximum(amount, 1e-6)[:, :, None])
        known |= amount > 0.1
    return np.asarray(surface + cv2.resize(shift, outside.shape[::-1]), np.float32)
