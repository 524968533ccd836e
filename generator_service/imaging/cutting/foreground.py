"""The product's own colours at its edge, without what shines through of the backdrop: no halo.

Two passes of blur-fusion (Forte and Pitié, "Approximate Fast Foreground Colour Estimation", 2021): the first,
wide, on a small copy, the second, narrow, at full size and only where alpha is neither none nor full.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.tiles import tiles

Floats = NDArray[np.float32]

_SMALL_SIDE = 480
_WIDE, _NARROW = 12, 5
_TINY = 1e-4


def foreground(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Estimate the unmixed product colours of an H×W×3 photo under its alpha; opaque pixels are unchanged."""
    height, width = alpha.shape
    scale = min(1.0, _SMALL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32)
    small_alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)[:, :, None] / 255.0
    product, backdrop = _blur_fusion(small, small, small, small_alpha, _WIDE)

    result = rgb.copy()
    unknown = (alpha > 0) & (alpha < 255)
    for tile in tiles(unknown, 2 * _NARROW):
        seen = rgb[tile.outer].astype(np.float32)
        share = alpha[tile.outer].astype(np.float32)[:, :, None] / 255.0
        wide_product = _window(product, tile.outer, (height, width))
        wide_backdrop = _window(backdrop, tile.outer, (height, width))
        near, _ = _blur_fusion(seen, wide_product, wide_backdrop, share, _NARROW)
        colours = np.rint(near[tile.core]).astype(np.uint8)
        result[tile.inner] = np.where(unknown[tile.inner][:, :, None], colours, rgb[tile.inner])
    return result


def _blur_fusion(seen: Floats, product: Floats, backdrop: Floats, alpha: Floats, radius: int) -> tuple[Floats, Floats]:
    """Spread the known colours of both layers by ``radius``, then correct the product by the photo."""
    size = (2 * radius + 1, 2 * radius + 1)

    def spread(colours: Floats, weight: Floats) -> Floats:
        total = cv2.blur(weight, size)[:, :, None]
        spread_colours: Floats = (cv2.blur(colours * weight, size) + _TINY * colours) / (total + _TINY)
        return spread_colours

    product, backdrop = spread(product, alpha), spread(backdrop, 1.0 - alpha)
    unexplained = seen - alpha * product - (1.0 - alpha) * backdrop
    return np.clip(product + alpha * unexplained, 0.0, 255.0), np.clip(backdrop, 0.0, 255.0)


def _window(small: Floats, window: tuple[slice, slice], shape: tuple[int, int]) -> Floats:
    """Cut a window, given in the coordinates of the full ``shape``, out of a small picture, enlarged bilinearly."""
    rows, columns = window
    y_scale, x_scale = small.shape[0] / shape[0], small.shape[1] / shape[1]
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * y_scale - 0.5
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) * x_scale - 0.5
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    enlarged = cv2.remap(small, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(enlarged, np.float32)
