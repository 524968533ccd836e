"""Narrow gaps that were filled and show the shaded backdrop: between leaves, hairs and fringes, or holes of a strap.

Both opinions on a photo are formed on small copies, where such a gap is a few pixels wide and its shade makes it unlike
the backdrop, so they agree on it and are wrong. At a larger scale it is an even region of the backdrop's hue, darker
than the backdrop but no darker than the shadow beside the product, with a clear edge to the product around it. A shaded
print in the backdrop's colour looks the same, so such a mask needs a person's decision. Only in products that are thin
everywhere, with no surface for a print, are gaps cut out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.cutting.border import Floats, across_and_dimming, gradient, lab, surface_at
from generator_service.imaging.cutting.look import Mask
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.reconcile import disc
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import Segmentation, shrink
from generator_service.imaging.scaling import scaled_down

Pixels = NDArray[np.uint8]

_SIDE = 1000
"""Longest side, in pixels, of the copy that gaps are looked for in."""
_SOLID, _FAINT = 127, 6
"""Alpha above the first is product; of the second or less, backdrop."""
_CLEARANCE = 2
"""Pixels around the product whose colours are mixed with its own."""
_SPARSE = 3
"""The backdrop's variation is measured on one pixel of every nine."""
_LEAST_TINT, _MOST_TINT, _BLEED = 4.0, 8.0, 0.2
"""By how much, in Lab units, a gap may differ from the backdrop in hue: by the first, by more where the backdrop
varies, and up to the second by this share of the product's own difference, since JPEG mixes neighbouring colours."""
_LEAST_BRIGHTER, _DARKEST = 2.5, 45.0
"""By how much, in Lab units, a gap may be brighter than the backdrop, unless that varies more, and darker."""
_EDGE = 10.0
"""A pixel whose colour changes by more than this per pixel, in Lab units, belongs to an edge."""
_BESIDE = 0.02
"""The product's shadow is measured as far from it as this share of the longest side."""
_SHADED, _DEEPER = 4.0, 6.0
"""By how much, in Lab units, a gap is darker than the backdrop, and how much darker than the shadow beside the product
its light part may be."""
_LEAST_AREA, _LARGEST, _WIDEST = 12, 0.02, 12.0
"""Regions of fewer pixels are noise; of a larger share of the product, or a larger radius in pixels, no narrow gaps."""
_DEEPEST = 0.12
"""How far under the outline, as a share of the longest side, a gap may lie."""
_NEAREST, _CONTRAST = 3.0, 8.0
"""A fifth of the product around a gap may differ from it by less than the first, and half by less than the second."""
_UNEVEN = 14.0
"""Four fifths of a gap vary less in lightness: by up to 11 where measured, highlights and folds by 18 to 24."""
_OPEN, _SAME = 0.05, 8.0
"""A gap with more than this share of its boundary at the outline continues outside in the same colour."""
_LEAST_SHARE = 0.003
"""Gaps of a smaller share of the product are hardly visible."""
_MOST_LIKE = 0.4
"""Where gaps are less than this share of all regions of the backdrop's hue, the product has that hue itself."""
_THIN = 0.05
"""A product is thin if no disc of this radius, as a share of its longest side, fits beside its gaps. Chains and meshes
measured up to 0.033, leaves, bags and prints 0.1 and more."""
_MIXED = 3
"""Pixels around a gap whose colours are mixed with the product's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Narrow gaps in a copy of the photo."""

    marked: Mask
    thin: bool
    """Whether the product is thin everywhere."""


def filled_gaps(found: Gaps | None) -> tuple[Finding, ...]:
    """Doubt a mask that fills narrow gaps."""
    if found is None:
        return ()
    message = "The background seems to show through narrow gaps in the product; check that they were cut out."
    return (Finding(code="see_through", message=message, region=region_of(found.marked)),)


def without_gaps(rgb: Pixels, alpha: Pixels, gaps: Mask) -> Pixels:
    """Return the H×W alpha of an H×W×3 sRGB photo without ``gaps``, marked in a copy of it."""
    height, width = alpha.shape
    opened = matte(rgb, (scaled_down(alpha, *gaps.shape[::-1]) > _SOLID) & ~gaps)
    around = cv2.dilate(gaps.astype(np.uint8), disc(_MIXED))
    near = cv2.resize(around, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return np.where(near, np.minimum(alpha, opened), alpha)


def find_gaps(rgb: Pixels, found: Segmentation) -> Gaps | None:
    """Find the narrow gaps that a mask of an H×W×3 sRGB photo fills; None if there are none.

    None, too, where the backdrop is not plain.
    """
    if found.backdrop.surface is None:
        return None
    small = shrink(rgb, _SIDE)
    height, width = small.shape[:2]
    backdrop = surface_at(found.backdrop.surface, height, width)
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 0.6), np.uint8)
    visible = matte(small, found.mask)
    product = bounding_box(visible > _FAINT)
    if product is None:
        return None
    reach = max(1, round(_BESIDE * max(height, width)))
    box = product.grown(reach, visible.shape)
    colours = lab(box.cut(smooth))
    across, dimming = across_and_dimming(colours, box.cut(backdrop))
    solid: Mask = box.cut(visible) > _SOLID
    covered = cv2.dilate((visible > _FAINT).astype(np.uint8), np.ones((2 * _CLEARANCE + 1,) * 2, np.uint8)) > 0
    outside: Mask = ~box.cut(covered)
    near = outside & (cv2.dilate(box.cut(covered).astype(np.uint8), disc(reach)) > 0)
    if not near.any() or not solid.any():
        return None
    tint, brighter = _variation(smooth, backdrop, ~covered)
    bleed = min(_MOST_TINT, _BLEED * float(np.median(across[solid])))
    like = solid & (across < max(tint, bleed)) & (dimming < brighter) & (dimming > -_DARKEST)
    like &= gradient(colours) < _EDGE
    darkest = float(np.percentile(dimming[near], 3)) - _DEEPER
    gaps = _chosen(like, colours, dimming, darkest, solid, outside, max(height, width))
    if gaps is None:
        return None
    marked = np.zeros(visible.shape, np.bool_)
    box.cut(marked)[:] = gaps
    body = cv2.distanceTransform((solid & ~gaps).astype(np.uint8), cv2.DIST_L2, 5)
    return Gaps(marked=marked, thin=float(body.max()) < _THIN * product.longest)


def _chosen(
    like: Mask, colours: Floats, dimming: Floats, darkest: float, solid: Mask, outside: Mask, side: int
) -> Mask | None:
    """Mark the regions of the backdrop's hue that are gaps; None where that hue may be the product's own.

    ``darkest`` is the dimming of the darkest shadow, ``side`` the longest side of the whole copy.
    """
    regions = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(regions, np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    product = int(np.count_nonzero(solid))
    least = max(_LEAST_SHARE * product, _MOST_LIKE * int(areas[areas >= _LEAST_AREA].sum()))
    depth = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5)
    gaps = np.zeros_like(solid)
    for number in range(1, count):
        left, top, columns, rows, area = stats[number].tolist()
        if not _LEAST_AREA <= area <= _LARGEST * product:
            continue
        window = Box(left, top, left + columns, top + rows).grown(4, solid.shape)
        region = window.cut(labels) == number
        shade = window.cut(dimming)[region]
        if (
            float(np.median(window.cut(depth)[region])) < _DEEPEST * side
            and float(np.median(shade)) < -_SHADED
            and float(np.mean(shade > darkest)) > 0.2
            and cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5).max() < _WIDEST
            and _stands_out(region, window.cut(colours), window.cut(solid), window.cut(outside))
        ):
            window.cut(gaps)[region] = True
    return gaps if np.count_nonzero(gaps) > least else None


def _stands_out(region: Mask, colours: Floats, solid: Mask, outside: Mask) -> bool:
    """Return whether a region is even, has an edge to the product around it, and none to the backdrop beside it."""
    darker, lighter = np.percentile(colours[:, :, 0][region], (10, 90))
    if lighter - darker > _UNEVEN:
        return False
    apart = np.linalg.norm(colours - np.median(colours[region], axis=0), axis=2)
    rim, around = ((cv2.dilate(region.astype(np.uint8), disc(radius)) > 0) & ~region for radius in (2, 4))
    beside, beyond = apart[around & solid], apart[around & outside]
    if not beside.size or np.percentile(beside, 20) <= _NEAREST or np.median(beside) <= _CONTRAST:
        return False
    enclosed = np.count_nonzero(rim & ~solid) < _OPEN * np.count_nonzero(rim)
    return bool(enclosed or (beyond.size and np.median(beyond) < _SAME))


def _variation(smooth: Pixels, backdrop: Floats, outside: Mask) -> tuple[float, float]:
    """Return by how much, in Lab units, the backdrop varies in hue and in light, but at least the least tolerances."""
    chosen = outside[::_SPARSE, ::_SPARSE]
    if not chosen.any():
        return _LEAST_TINT, _LEAST_BRIGHTER
    across, dimming = across_and_dimming(lab(smooth[::_SPARSE, ::_SPARSE]), backdrop[::_SPARSE, ::_SPARSE])
    tint = max(_LEAST_TINT, float(np.percentile(across[chosen], 95)))
    return tint, max(_LEAST_BRIGHTER, float(np.percentile(np.abs(dimming[chosen]), 95)))
