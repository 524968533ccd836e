"""Meshes, rackets and lattices that were filled: many small openings, spread over the product, that show the backdrop.

Both opinions on a photo are formed on small copies, where a fine mesh is an even surface, so they agree on it and are
wrong. At the photo's own scale, its openings have the backdrop's colour, in the open or in the mesh's own shade.
`piercing` cuts them out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.cutting.border import Floats, across_and_dimming, lab, surface_at
from generator_service.imaging.cutting.look import Mask
from generator_service.imaging.cutting.reconcile import disc
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import Segmentation, shrink

_SIDE = 1600
"""Longest side, in pixels, of the copy that openings are looked for in."""
_RIM = 0.004
"""Share of the longest side: so near its outline, a product's colours are mixed with the backdrop's."""
_LEAST_TOLERANCE = 3.0
"""Lab distance within which a colour is the backdrop's, unless nine tenths of the backdrop need more."""
_MOST_TOLERANCE = 4.0
"""A backdrop that varies more than this has colours of prints and fabrics too, and shows no openings for sure."""
_SMOOTHED = 0.9
"""Width, in pixels, of the smoothing against noise: less than a thin wire's."""
_SPARSE = 3
"""The backdrop's variation is measured on one pixel of every nine."""
_SHADE = 12.0
"""How much darker than the backdrop, in Lab units, an opening may be, for the mesh's own shadow."""
_NEAR = 0.02
"""Half the window, as a share of the product's longest side, in which openings alternate with the product."""
_LEAST_OPEN, _MOST_OPEN = 0.05, 0.9
"""Share of openings in such a window."""
_FEWEST = 60
"""Prints, highlights and pale labels have fewer patches of the backdrop's colour, or …"""
_LEAST_COVERED = 0.4
"""… they cover less of the product: up to 0.3 in right cut-outs, 0.8 and more in meshes that were filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openwork:
    """Small openings that alternate with the product, in a copy of the photo; maps are of its ``box``."""

    shape: tuple[int, int]
    """Height and width of the copy."""
    box: Box
    """The product's, in pixels of the copy."""
    colours: Floats
    """Lab."""
    inner: Mask
    """The product without its rim."""
    openings: Mask
    alternating: Mask
    """Where openings alternate with the product."""
    window: tuple[int, int]
    """The neighbourhood in which they do, in pixels."""


def filled_openwork(found: Openwork | None) -> tuple[Finding, ...]:
    """Doubt a mask that is full of small openings."""
    if found is None:
        return ()
    everywhere = np.zeros(found.shape, np.bool_)
    found.box.cut(everywhere)[:] = found.alternating
    message = "The product seems to have many small openings; check that they were cut out, or supply a mask."
    return (Finding(code="see_through", message=message, region=region_of(everywhere)),)


def find_openwork(rgb: NDArray[np.uint8], found: Segmentation) -> Openwork | None:
    """Find where a mask of an H×W×3 sRGB photo is full of small openings; None unless that is much of the product.

    None, too, where the backdrop is not plain.
    """
    surface = found.backdrop.surface
    if surface is None:
        return None
    small = shrink(rgb, _SIDE)
    height, width = small.shape[:2]
    mask = cv2.resize(found.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    box = bounding_box(mask > 0)
    if box is None:
        return None
    rim = disc(max(1, round(_RIM * max(height, width))))
    # Closed, since around each opening that is in the mask already there would be a rim.
    inner = box.cut(cv2.erode(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, rim), rim) > 0)
    outside = (cv2.dilate(mask, rim) == 0)[::_SPARSE, ::_SPARSE]
    if not inner.any() or not outside.any():
        return None
    backdrop = surface_at(surface, height, width)
    tolerance = _tolerance(small, backdrop, outside)
    if tolerance > _MOST_TOLERANCE:  # Noise may be all that varies.
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), _SMOOTHED), np.uint8)
        tolerance = _tolerance(small, backdrop, outside)
    if tolerance > _MOST_TOLERANCE:
        return None
    colours = lab(box.cut(small))
    across, dimming = across_and_dimming(colours, box.cut(backdrop))
    openings = inner & (across < tolerance) & (dimming < tolerance) & (dimming > -tolerance - _SHADE)
    _, _, stats, _ = cv2.connectedComponentsWithStats(openings.astype(np.uint8), connectivity=4)
    if np.count_nonzero(stats[1:, cv2.CC_STAT_AREA] > 1) < _FEWEST:
        return None
    window = (2 * round(_NEAR * box.longest) + 1,) * 2
    share = cv2.blur(openings.astype(np.float32), window) / np.maximum(cv2.blur(inner.astype(np.float32), window), 1e-6)
    alternating = inner & (share > _LEAST_OPEN) & (share < _MOST_OPEN)
    if np.count_nonzero(alternating) < _LEAST_COVERED * np.count_nonzero(inner):
        return None
    return Openwork(
        shape=(height, width),
        box=box,
        colours=colours,
        inner=inner,
        openings=openings,
        alternating=alternating,
        window=window,
    )


def _tolerance(small: NDArray[np.uint8], backdrop: Floats, outside: Mask) -> float:
    """Return the Lab distance within which a colour is the backdrop's; ``outside`` marks sparse pixels of it."""
    across, dimming = across_and_dimming(lab(small[::_SPARSE, ::_SPARSE]), backdrop[::_SPARSE, ::_SPARSE])
    return max(_LEAST_TOLERANCE, float(np.percentile(np.hypot(across, dimming)[outside], 90)))
