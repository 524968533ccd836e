"""The product's own colours at its edge, without what shines through of the backdrop: no halo.

Two passes of blur-fusion (Forte and Pitié, "Approximate Fast Foreground Colour Estimation", 2021): the first,
wide, on a small copy, the second, narrow, at full size and only where alpha is neither none nor full.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.scaling import scaled_down
from generator_service.imaging.tiles import planes, tiles

Floats = NDArray[np.float32]

_SMALL_SIDE = 480
_WIDE, _NARROW = 12, 5
_TINY = 1e-4


def foreground(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Estimate the unmixed product colours of an H×W×3 photo under its alpha; opaque pixels are unchanged."""
    height, width = alpha.shape
    scale = min(1.0, _SMALL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = planes(scaled_down(rgb, *size))
    small_alpha = scaled_down(alpha, *size).astype(np.float32) / 255.0
    wide = [_blur_fusion(plane, plane, plane, small_alpha, _WIDE) for plane in small]

    result = rgb.copy()
    unknown = (alpha > 0) & (alpha < 255)
    for tile in tiles(unknown, 2 * _NARROW):
        share = alpha[tile.outer].astype(np.float32) / 255.0
        grid = _grid(tile.outer, (height, width), small_alpha.shape)
        near = [
            _blur_fusion(plane, _enlarged(product, grid), _enlarged(backdrop, grid), share, _NARROW)[0][tile.core]
            for plane, (product, backdrop) in zip(planes(rgb[tile.outer]), wide, strict=True)
        ]
        colours = np.rint(cv2.merge(near)).astype(np.uint8)
        result[tile.inner] = np.where(unknown[tile.inner][:, :, None], colours, rgb[tile.inner])
    return result


def _blur_fusion(seen: Floats, product: Floats, backdrop: Floats, alpha: Floats, radius: int) -> tuple[Floats, Floats]:
    """Spread the known values of both layers, one channel of each, by ``radius``; correct the product by the photo."""
    size = (2 * radius + 1, 2 * radius + 1)

    def spread(colours: Floats, weight: Floats) -> Floats:
        near = (cv2.blur(colours * weight, size) + _TINY * colours) / (cv2.blur(weight, size) + _TINY)
        return np.asarray(near, np.float32)

    product, backdrop = spread(product, alpha), spread(backdrop, 1.0 - alpha)
    unexplained = seen - alpha * product - (1.0 - alpha) * backdrop
    return np.clip(product + alpha * unexplained, 0.0, 255.0), np.clip(backdrop, 0.0, 255.0)


def _grid(window: tuple[slice, slice], shape: tuple[int, int], small: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return for each pixel of a window of the full ``shape`` its x and y in a picture of the ``small`` shape."""
    rows, columns = window
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * (small[0] / shape[0]) - 0.5
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) * (small[1] / shape[1]) - 0.5
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return grid_x, grid_y


def _enlarged(small: Floats, grid: tuple[Floats, Floats]) -> Floats:
    """Read a small picture's channel at the places of ``grid``, bilinearly."""
    return np.asarray(cv2.remap(small, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
