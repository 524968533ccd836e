"""From the coarse mask to a full-size alpha: edge-aware upsampling by guided filters in the unknown band.

Each doubling of the size filters once, with the photo of that size as the guide, so the band stays a few pixels
narrow on every level and the cost is that of the outline, not of the area. The filter is He, Sun and Tang's
"Guided Image Filtering" (2010) with a colour guide. At full size, the rim is read from the colours on both its sides.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.cutting.unmix import unmix
from generator_service.imaging.scaling import halved, scaled_down
from generator_service.imaging.tiles import planes, tiles

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_RADIUS = 4
_EPSILON = 3e-5
_SURROUNDINGS = 40
"""Pixels around the product that the filters read: more than the reach of any."""
_CLEAR, _SOLID = 0.15, 0.9
"""Alpha outside this range is treated as none or full: the filter's haze, not fur."""
_DOUBLE = 2.02
"""The most by which a level is larger than the last: a doubling, but for rounding."""


def matte(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Refine a coarse mask to the alpha, 0 to 255, of an H×W×3 sRGB photo."""
    alpha = mask.astype(np.float32)
    for guide in _pyramid(rgb, mask.shape):
        alpha = _refine(guide, alpha)
    box = _surroundings(alpha)
    stretched = (box.cut(alpha) - _CLEAR) / (_SOLID - _CLEAR)
    result = np.zeros(alpha.shape, np.uint8)
    box.cut(result)[:] = _levels(unmix(box.cut(rgb), np.clip(stretched, 0.0, 1.0, out=stretched)))
    return result


def _pyramid(rgb: NDArray[np.uint8], coarse: tuple[int, ...]) -> list[NDArray[np.uint8]]:
    """Return the photo at rising sizes, from the coarse one to its own, each at most twice the last."""
    levels = [rgb]
    while min(levels[0].shape[0] / coarse[0], levels[0].shape[1] / coarse[1]) > _DOUBLE:
        levels.insert(0, halved(levels[0]))
    if levels[0].shape[:2] == coarse:
        return levels
    return [scaled_down(rgb, coarse[1], coarse[0]), *levels]


def _refine(guide: NDArray[np.uint8], alpha: Floats) -> Floats:
    """Bring ``alpha`` to the size of ``guide``, its soft and doubtful edge redrawn along the guide's edges."""
    height, width = guide.shape[:2]
    if alpha.shape != (height, width):
        alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    box = _surroundings(alpha)
    guide, coarse = box.cut(guide), box.cut(alpha)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RADIUS + 1, 2 * _RADIUS + 1))
    band = cv2.morphologyEx(_levels(coarse), cv2.MORPH_GRADIENT, window) > 5
    refined = []
    for tile in tiles(band, 2 * _RADIUS):
        filtered = guided_filter(guide[tile.outer].astype(np.float32) / 255.0, coarse[tile.outer])[tile.core]
        refined.append((tile.inner, np.where(band[tile.inner], np.clip(filtered, 0.0, 1.0), coarse[tile.inner])))
    for inner, values in refined:  # Only now: each tile reads its neighbours as they were.
        coarse[inner] = values
    return alpha


def _surroundings(alpha: Floats) -> Box:
    """Return the box of everything that an alpha's product may change; elsewhere, the alpha stays zero."""
    box = bounding_box(alpha > 0.0) or Box(0, 0, alpha.shape[1], alpha.shape[0])
    return box.grown(_SURROUNDINGS, alpha.shape)


def guided_filter(guide: Floats, source: Floats, radius: int = _RADIUS, epsilon: float = _EPSILON) -> Floats:
    """Smooth ``source`` (H×W, 0 to 1) along the edges of ``guide`` (H×W×3, 0 to 1); locally linear in colour.

    Statistics and inversion are float64. The channels of black, grey and other neutral colours rise and fall
    together, so their covariance is nearly singular (condition about 1e4), and float32 loses all digits of its
    determinant.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: Doubles) -> Doubles:
        return np.asarray(cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT), np.float64)

    r, g, b = (plane.astype(np.float64) for plane in planes(guide))
    p = source.astype(np.float64)
    mr, mg, mb, mp = mean(r), mean(g), mean(b), mean(p)
    pr, pg, pb = mean(p * r), mean(p * g), mean(p * b)
    m_rr, m_gg, m_bb = mean(r * r), mean(g * g), mean(b * b)
    m_rg, m_rb, m_gb = mean(r * g), mean(r * b), mean(g * b)
    vr, vg, vb = pr - mr * mp, pg - mg * mp, pb - mb * mp
    # The symmetric 3×3 covariance of the guide, regularised, and its inverse by cofactors.
    rr, gg, bb = m_rr - mr * mr + epsilon, m_gg - mg * mg + epsilon, m_bb - mb * mb + epsilon
    rg, rb, gb = m_rg - mr * mg, m_rb - mr * mb, m_gb - mg * mb
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1.0 / (rr * c_rr + rg * c_rg + rb * c_rb)
    ar = (c_rr * vr + c_rg * vg + c_rb * vb) * scale
    ag = (c_rg * vr + c_gg * vg + c_gb * vb) * scale
    ab = (c_rb * vr + c_gb * vg + c_bb * vb) * scale
    offset = mean(mp - ar * mr - ag * mg - ab * mb)
    return np.asarray(mean(ar) * r + mean(ag) * g + mean(ab) * b + offset, np.float32)


def _levels(alpha: Floats) -> NDArray[np.uint8]:
    """Round an alpha of 0 to 1 to levels of 0 to 255."""
    return np.asarray(cv2.convertScaleAbs(alpha, alpha=255.0), np.uint8)
