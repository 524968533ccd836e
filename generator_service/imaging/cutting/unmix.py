"""Alpha from the colours on both sides of the outline.

The guided filter locates the edge, but a share of the backdrop's colour stays in its rim. Where product and backdrop
each have a distinct colour nearby, a pixel between them is a mixture of the two, and its share follows from the
photo. Where the colours are too alike, or a pixel is no mixture of them, the alpha is unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.tiles import dot, planes, tiles

Floats = NDArray[np.float32]

_AWAY = 3
"""Distance, in pixels, from the soft rim at which a pixel shows one layer alone."""
_REACH = 12
"""Distance, in pixels, within which the two colours are sampled."""
_ALIKE, _APART = 15.0, 45.0
"""Distances of the two colours, in levels of sRGB, from which the mixture has some weight, and full weight."""
_NOISE = 6.0
_MISFIT = 0.2
"""How far a pixel may be from the line between the two colours: levels, and a share of their distance."""
_VARIED = 0.02
"""Variance of a layer, as a share of the squared distance, from which its mean no longer stands for it."""
_CLEAR, _SOLID = 0.05, 0.95
"""A share outside this range is none or all: noise."""
_FAINT = 0.25
"""The lower end where the alpha was none: a soft shadow beside the product looks like such a share."""


def unmix(rgb: NDArray[np.uint8], alpha: Floats) -> Floats:
    """Return the H×W alpha, 0 to 1, of an H×W×3 sRGB photo, with its soft rim read from the photo's own colours."""
    solid, clear = (alpha > 0.98).astype(np.uint8), (alpha < 0.02).astype(np.uint8)
    soft = ((solid | clear) == 0).astype(np.uint8)
    around = np.ones((2 * _AWAY + 1, 2 * _AWAY + 1), np.uint8)
    beside_soft, beside_solid, beside_clear = (cv2.dilate(part, around) > 0 for part in (soft, solid, clear))
    band = beside_soft | (beside_solid & beside_clear)
    result = alpha.copy()
    size = (2 * _REACH + 1, 2 * _REACH + 1)
    for tile in tiles(band, 2 * _REACH):
        seen = planes(rgb[tile.outer])
        near = band[tile.outer]
        product, product_known, product_variance = _spread(seen, (solid[tile.outer] > 0) & ~near, size)
        backdrop, backdrop_known, backdrop_variance = _spread(seen, (clear[tile.outer] > 0) & ~near, size)
        way = [front - back for front, back in zip(product, backdrop, strict=True)]
        offset = [colour - back for colour, back in zip(seen, backdrop, strict=True)]
        length_squared = dot(way, way) + 1.0
        share = np.clip(dot(offset, way) / length_squared, 0.0, 1.0)
        rest = [far - share * step for far, step in zip(offset, way, strict=True)]
        misfit = np.sqrt(dot(rest, rest))
        length = np.sqrt(length_squared)
        trust = np.clip((length - _ALIKE) / (_APART - _ALIKE), 0.0, 1.0)
        trust *= np.exp(-np.square(misfit / (_NOISE + _MISFIT * length))) * (product_known & backdrop_known & near)
        trust *= np.exp(-(product_variance + backdrop_variance) / (_VARIED * length_squared))
        none = np.where(clear[tile.outer] > 0, _FAINT, _CLEAR).astype(np.float32)
        share = np.clip((share - none) / (_SOLID - none), 0.0, 1.0)
        mixed = alpha[tile.outer] + trust * (share - alpha[tile.outer])
        result[tile.inner] = mixed[tile.core]
    return result


def _spread(
    seen: Sequence[Floats], known: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[list[Floats], NDArray[np.bool_], Floats]:
    """Return the mean colour of the known pixels around each pixel, where there are any, and their variance."""
    counted = known.astype(np.float32)
    weight = cv2.blur(counted, size)
    share = np.maximum(weight, 1e-6)
    mean = [np.asarray(cv2.blur(plane * counted, size) / share, np.float32) for plane in seen]
    squares = cv2.blur(dot(seen, seen) * counted, size) / share
    return mean, weight > 1e-4, np.maximum(squares - dot(mean, mean), np.float32(0.0))
