"""The outline of a product to the pixel, from a region that contains it and a few pixels around it.

Across the outline, the photo changes from the colour outside to the colour inside; the outline is where it is half
way. Both colours are read from the photo nearby, so neither a shadow at the outline nor a pale product shifts it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

_DEPTH = 5
"""How far, in pixels, the true outline is from that of the region, at most."""
_FAINT = 6.0
"""Where the two colours differ by less, in Lab units, noise hides the half way: a watershed decides."""


def settle_rim(colours: Floats, outside: Mask, tolerance: float) -> Mask:
    """Return the product, H×W, given the pixels that are certainly ``outside``; ``colours`` is H×W×3 Lab.

    ``tolerance`` is the Lab distance up to which two pixels may have the same colour.
    """
    if not outside.any() or outside.all():
        return ~outside
    depth, nearest = cv2.distanceTransformWithLabels(
        (~outside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    core: Mask = depth > _DEPTH
    rim = ~outside & ~core
    outer = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    outer[nearest[outside]] = cv2.blur(colours, (3, 3))[outside]
    beyond = outer[nearest]
    inner, contrast = _inner_colours(colours, beyond, np.asarray(depth, np.float32), core, tolerance)
    way = inner - beyond
    share = np.einsum("hwc,hwc->hw", colours - beyond, way) / np.maximum(np.einsum("hwc,hwc->hw", way, way), 1.0)
    clear = contrast > _FAINT
    flooded = _watershed(colours, outside, core | (rim & clear & (share > 0.7)))
    return np.where(rim, np.where(clear, share > 0.5, flooded), core)


def _inner_colours(
    colours: Floats, beyond: Floats, depth: Floats, core: Mask, tolerance: float
) -> tuple[Floats, Floats]:
    """Look inwards from each pixel for the product's colour: that of the core, or the one most unlike the outside.

    Return it, H×W×3, and its Lab distance to the colour outside, H×W.
    """
    smooth = cv2.GaussianBlur(depth, (0, 0), 1.5)
    right, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, dy) for dx, dy in ((1, 0), (0, 1)))
    length = np.hypot(right, down) + 1e-3
    right, down = right / length, down / length
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(np.float32)
    inner, contrast = colours.copy(), np.linalg.norm(colours - beyond, axis=2)
    solid = core.astype(np.uint8)
    for step in range(1, _DEPTH + 1):
        at_x, at_y = (x + step * right).astype(np.float32), (y + step * down).astype(np.float32)
        seen = cv2.remap(colours, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        distance = np.linalg.norm(seen - beyond, axis=2)
        in_core = cv2.remap(solid, at_x, at_y, cv2.INTER_NEAREST) > 0
        better = (distance > contrast) | (in_core & (distance > max(4.0, tolerance)))
        contrast = np.where(better, distance, contrast)
        inner = np.where(better[:, :, None], seen, inner)
    return inner, np.asarray(contrast, np.float32)


def _watershed(colours: Floats, outside: Mask, inside: Mask) -> Mask:
    # Watershed takes bytes: the scale spends them all on L, and on a and b on the colours that photos reach.
    scale, origin = np.array((2.55, 1.5, 1.5), np.float32), np.array((0.0, 128.0, 128.0), np.float32)
    quantised = np.clip(colours * scale + origin, 0.0, 255.0).astype(np.uint8)
    markers = np.where(outside, 1, np.where(inside, 2, 0)).astype(np.int32)
    # It marks the edge of the picture as a boundary: one pixel of margin keeps that out.
    markers = np.pad(markers, 1, constant_values=1)
    cv2.watershed(cv2.copyMakeBorder(quantised, 1, 1, 1, 1, cv2.BORDER_REPLICATE), markers)
    flooded: Mask = markers[1:-1, 1:-1] != 1
    return flooded
