"""Decide between two hypotheses of the product, region by region, by the edges of the photo.

A region that one mask has and the other has not is either product, and then its outer boundary is the product's
outline, or it is backdrop, and then its inner boundary is. Hard edges and colour decide which.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import inside_frame
from generator_service.imaging.cutting.look import Look, Mask

_EDGE = 2.0
"""Times the noise that a boundary pixel must be hard by, to count as an edge."""
_SMALLEST = 3
"""A region of fewer pixels is left out."""
_BESIDE = 3
"""Boundary pixels as near to the product as this show its edge rather than the region's."""
_LEAST_FREE = 0.2
"""A region with less than this share of its boundary off the product is a gap or a hole."""
_LARGE_HOLE = 4.0
"""A hole with a disc of this radius in it, in pixels, is judged by its look, which `enclosure` has done."""
_BAY_CONTACT, _WIDEST_BAY = 0.3, 10.0
"""More of its boundary than this on the product, and narrower than this: likely a bay that the ball did not enter, or
hair, and its colours mixed with those around; a label or a strap has the backdrop's hue and edges all along."""
_TINT = 1.5
"""An enclosed region that looks more like the backdrop than this Lab distance is an opening; others may be glass."""
_RIM_WIDTH = 2.0
"""No wider than this radius, in pixels, …"""
_RIM_CONTACT = 0.35
"""… and with more than this share of its boundary on the product, a region is a seam along it."""


def components(mask: Mask, connectivity: int = 4) -> tuple[NDArray[np.int32], list[NDArray[np.intp]]]:
    """Return the components' numbers, H×W, and for each number the flat indices of its pixels; 0 is all the rest."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity, ltype=cv2.CV_32S)
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=count)
    return np.asarray(labels, np.int32), np.split(np.argsort(flat, kind="stable"), np.cumsum(sizes)[:-1])


def disc(radius: int) -> NDArray[np.uint8]:
    """Return a disc as a structuring element."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """A region that only one of the masks has, and the evidence on it."""

    window: tuple[slice, slice]
    pixels: Mask
    """The region, within the window."""
    outer: float
    """Share of the boundary to pixels that neither mask has, a little way off the product, that is a hard edge."""
    inner: float
    """Share of the boundary to pixels that both masks have, that is a hard edge."""
    free: float
    """Share of the boundary that is to neither, a little way off the product; negative where none is to neither."""
    contact: float
    """Share of the boundary that is to pixels that both have."""
    width: float
    """Radius, in pixels, of the largest disc inside the region."""
    distance: float
    """Median Lab distance to the backdrop."""
    shadow: float
    """Share of its pixels that may be shadow."""
    cut_off: bool
    """Whether it reaches the frame."""

    @property
    def is_rim(self) -> bool:
        """Whether it is a seam along the product, where both masks are right to a pixel or two."""
        return self.width <= _RIM_WIDTH and self.contact > _RIM_CONTACT

    @property
    def without_rim(self) -> Mask:
        """The region without seams along the product that hang on to it."""
        if self.width <= _RIM_WIDTH:
            return self.pixels
        body = cv2.morphologyEx(np.pad(self.pixels, 4).astype(np.uint8), cv2.MORPH_OPEN, disc(2))
        near: Mask = cv2.dilate(body, disc(1))[4:-4, 4:-4] > 0
        return near & self.pixels


def reconcile(look: Look, by_colour: Mask, by_outline: Mask) -> Mask:
    """Decide region by region where two masks of the product, H×W, differ."""
    both = by_colour & by_outline
    decided = both.copy()
    for region in _regions(look, by_colour & ~by_outline, both, by_colour | by_outline):
        if region.is_rim or _is_product_without_outline(region, look.tolerance):
            decided[region.window] |= region.pixels
    for region in _regions(look, by_outline & ~by_colour, both, by_colour | by_outline):
        if not region.is_rim and _is_product_without_colour(region, look.tolerance):
            decided[region.window] |= region.without_rim
    return decided


def _is_product_without_outline(region: _Region, tolerance: float) -> bool:
    if region.distance <= tolerance:
        return region.free < 0.0 and region.distance > _TINT
    bounded = region.outer >= 0.6 and region.inner < region.outer
    coloured = region.shadow < 0.5 and region.distance > 2.0 * tolerance
    return bounded or coloured


def _is_product_without_colour(region: _Region, tolerance: float) -> bool:
    if region.cut_off:
        return False
    if region.free < _LEAST_FREE:  # A gap between details, a bay that is too narrow for the ball, or a hole.
        return region.free < 0.0 and region.width > _LARGE_HOLE
    if region.contact > _BAY_CONTACT and region.width < _WIDEST_BAY:
        return min(region.outer, region.shadow) > 0.9
    coloured = region.shadow < 0.5 and region.distance > 2.0 * tolerance
    return region.outer >= (0.3 if coloured else 0.6)


def _regions(look: Look, mask: Mask, both: Mask, union: Mask) -> list[_Region]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    edges = cv2.dilate((look.hard & (look.hardness > _EDGE)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    near_frame = inside_frame(*mask.shape)
    beside = cv2.dilate(both.astype(np.uint8), disc(_BESIDE)) > 0
    found = []
    for number in range(1, count):
        left, top, width, height, area = stats[number].tolist()
        if area < _SMALLEST:
            continue
        window = (slice(max(top - 2, 0), top + height + 2), slice(max(left - 2, 0), left + width + 2))
        pixels = labels[window] == number
        ring = (cv2.dilate(pixels.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~pixels
        outer, inner = ring & ~union[window], ring & both[window]
        free = outer & ~beside[window]
        depth = cv2.distanceTransform(np.pad(pixels, 1).astype(np.uint8), cv2.DIST_L2, 3)
        found.append(
            _Region(
                window=window,
                pixels=pixels,
                outer=_share(edges[window], free),
                inner=_share(edges[window], inner),
                free=int(np.count_nonzero(free)) / int(np.count_nonzero(ring)) if outer.any() else -1.0,
                contact=int(np.count_nonzero(inner)) / max(int(np.count_nonzero(outer | inner)), 1),
                width=float(depth.max()),
                distance=float(np.median(look.distance[window][pixels])),
                shadow=_share(look.shadow_like[window], pixels),
                cut_off=bool((pixels & near_frame[window]).any()),
            )
        )
    return found


def _share(marked: Mask, among: Mask) -> float:
    return float(np.mean(marked[among])) if among.any() else 0.0
