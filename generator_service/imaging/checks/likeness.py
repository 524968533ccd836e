"""Compares the product of two pictures: whether it is the same one, and as sharp.

Both are cut to the product and brought to one size, so where it lay and how large it was makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.cutting.border import lab
from generator_service.imaging.scaling import scaled_down

Pixels = NDArray[np.uint8]

_SOLID = 128
_COMPARED_SIDE = 96
_SHARPNESS_SIDE = 1000
_BINS = (8, 10, 10)
_LAB_RANGE = [(0.0, 100.0), (-110.0, 110.0), (-110.0, 110.0)]
_EVEN = 0.35
"""Detail, of 255, below which a product is too even for a measurement of its sharpness."""


@dataclass(frozen=True, slots=True)
class Product:
    """A picture cut to its product."""

    rgb: Pixels
    """H×W×3."""
    alpha: Pixels
    """H×W."""
    edge_share: float = 0.0
    """Share of the whole picture's outermost pixels that were product."""

    @classmethod
    def cut(cls, rgb: Pixels, alpha: Pixels) -> Self:
        """Crop a whole picture, H×W×3 with H×W alpha, to its solid part."""
        box = bounding_box(alpha >= _SOLID) or Box(0, 0, alpha.shape[1], alpha.shape[0])
        edge = np.concatenate((alpha[0], alpha[-1], alpha[1:-1, 0], alpha[1:-1, -1]))
        return cls(box.cut(rgb), box.cut(alpha), float(np.mean(edge >= _SOLID)))

    @property
    def longest(self) -> int:
        """The longer side in pixels."""
        height, width = self.alpha.shape
        return int(max(height, width))

    def scaled(self, longest: int) -> tuple[Pixels, Pixels]:
        """Return colours and alpha, the longer side that many pixels."""
        scale = longest / self.longest
        size = (max(1, round(self.alpha.shape[1] * scale)), max(1, round(self.alpha.shape[0] * scale)))
        if scale < 1.0:
            return scaled_down(self.rgb, *size), scaled_down(self.alpha, *size)
        rgb, alpha = (cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in (self.rgb, self.alpha))
        return np.asarray(rgb, np.uint8), np.asarray(alpha, np.uint8)


def sharpness(product: Product, other: Product) -> float | None:
    """Return the detail of ``product`` beside that of ``other``, at the smaller one's size; 1 is as sharp.

    None where the other one has no detail to compare with.
    """
    longest = min(product.longest, other.longest, _SHARPNESS_SIDE)
    wanted = _detail(*other.scaled(longest))
    found = _detail(*product.scaled(longest))
    if wanted is None or found is None or wanted < _EVEN:
        return None
    return found / wanted


def _detail(rgb: Pixels, alpha: Pixels) -> float | None:
    """Return the mean strength of fine structure inside the outline, of 255."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    inside = cv2.erode(np.pad((alpha >= _SOLID).astype(np.uint8), 1), np.ones((9, 9), np.uint8))[1:-1, 1:-1] > 0
    if np.count_nonzero(inside) < 64:
        return None
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[inside].mean())


def likeness(product: Product, other: Product) -> float:
    """Return how alike two products are in outline, colours and pattern, 0 to 1."""
    (rgb, alpha), (other_rgb, other_alpha) = _squared(product), _squared(other)
    mask, other_mask = alpha >= _SOLID, other_alpha >= _SOLID
    union, both = mask | other_mask, mask & other_mask
    if not mask.any() or not other_mask.any():
        return 0.0
    outline = np.count_nonzero(both) / np.count_nonzero(union)
    colours = float(np.minimum(_histogram(rgb, mask), _histogram(other_rgb, other_mask)).sum())
    pattern = max(0.0, _correlation(rgb, other_rgb, both)) if both.any() else 0.0
    return float(np.mean([outline, colours, pattern]))


def _squared(product: Product) -> tuple[Pixels, Pixels]:
    """Return the product in the middle of a small square."""
    rgb, alpha = product.scaled(_COMPARED_SIDE)
    height, width = alpha.shape
    top, left = (_COMPARED_SIDE - height) // 2, (_COMPARED_SIDE - width) // 2
    square, clear = np.zeros((_COMPARED_SIDE, _COMPARED_SIDE, 3), np.uint8), np.zeros((_COMPARED_SIDE,) * 2, np.uint8)
    square[top : top + height, left : left + width] = rgb
    clear[top : top + height, left : left + width] = alpha
    return square, clear


def _histogram(rgb: Pixels, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the shares of Lab colours, smoothed so that a slight change of light is no change of colour."""
    colours = lab(rgb)[mask]
    counted, _ = np.histogramdd(colours, bins=_BINS, range=_LAB_RANGE)
    spread = np.asarray(counted, np.float32)
    for axis in range(3):
        padded = np.moveaxis(np.pad(spread, [(1, 1) if each == axis else (0, 0) for each in range(3)]), axis, 0)
        spread = np.moveaxis(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:], 0, axis)
    total = float(spread.sum())
    return spread / total if total > 0 else spread


def _correlation(rgb: Pixels, other: Pixels, where: NDArray[np.bool_]) -> float:
    """Return the correlation of lightness, a little blurred, so that a shift of a pixel does not matter."""
    first, second = (
        cv2.GaussianBlur(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.5)[where]
        for each in (rgb, other)
    )
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    # Two even products have no pattern to differ in.
    return float(first @ second) / scale if scale > 64.0 * first.size**0.5 else 1.0
