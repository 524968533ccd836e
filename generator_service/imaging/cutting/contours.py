"""Hard edges of a photo, in units of its own noise.

A product ends within a pixel or two; a shadow, however dark, fades over many. So an edge is measured at two scales:
a step of height h has a gradient of h / (σ √2π) after a blur of σ, so a hard one is much steeper at the small scale
than at the large one, and a soft one is not (Elder and Zucker, "Local Scale Control for Edge Detection and Blur
Estimation", 1998). Faint edges are gathered along short lines of several directions, where noise averages out.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.regions import parts_with

Floats = NDArray[np.float32]

_FINE, _COARSE = 1.0, 2.5
"""Blurs of the two scales, in pixels."""
_SOFT = 1.1
"""Times its gradient at the coarse scale, an edge that is soft has no more at the fine one."""
_LEAST_EXCESS = 0.15
"""A hard edge exceeds that by more than this share of its gradient: a step by half, a blur of 2.5 pixels by 0.15."""
_DIRECTIONS = 8
_LINE = 13
"""Length, in pixels, over which a faint edge is gathered."""
_NOISE_PERCENTILE = 95.0
_LEAST_NOISE, _LEAST_LINE_NOISE = 0.2, 0.08
"""Below these, in Lab units a pixel, noise is that of the encoding."""


def hardness(residual: Floats, backdrop: NDArray[np.bool_]) -> Floats:
    """Measure, H×W, how hard an edge each pixel lies on: 1 is what noise reaches in one of twenty backdrop pixels.

    ``residual`` is the H×W×3 Lab difference to the modelled backdrop; ``backdrop`` marks pixels known to be backdrop.
    """
    fine, coarse = (_gradients(residual, blur) for blur in (_FINE, _COARSE))
    any_direction = _hard_part(_length(fine), _length(coarse))
    along_lines = _along_lines([plane[:, :, 0] for plane in fine], [plane[:, :, 0] for plane in coarse])
    both: Floats = np.maximum(
        any_direction / _noise(any_direction, backdrop, _LEAST_NOISE),
        along_lines / _noise(along_lines, backdrop, _LEAST_LINE_NOISE),
    )
    return both


def connected_to_strong(edges: Floats, weak: float, strong: float) -> NDArray[np.bool_]:
    """Mark pixels above ``weak`` that are connected to one above ``strong`` (hysteresis; Canny, 1986)."""
    return parts_with(edges > weak, edges > strong, connectivity=8)


def _gradients(planes: Floats, blur: float) -> list[Floats]:
    smooth = cv2.GaussianBlur(planes, (0, 0), blur)
    return [
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, dx, dy, ksize=3, scale=1.0 / 8.0), np.float32)
        for dx, dy in ((1, 0), (0, 1))
    ]


def _length(gradients: list[Floats]) -> Floats:
    across, down = gradients
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", across, across) + np.einsum("hwc,hwc->hw", down, down)))


def _along_lines(fine: list[Floats], coarse: list[Floats]) -> Floats:
    best = np.zeros(fine[0].shape, np.float32)
    middle = _LINE // 2
    for step in range(_DIRECTIONS):
        angle = math.pi * step / _DIRECTIONS
        x, y = math.cos(angle), math.sin(angle)
        ends = [(round(middle + way * x), round(middle + way * y)) for way in (-middle, middle)]
        kernel = np.zeros((_LINE, _LINE), np.float32)
        cv2.line(kernel, ends[0], ends[1], 1.0)
        kernel /= kernel.sum()
        one, other = (
            np.abs(cv2.filter2D(x * down - y * across, -1, kernel, borderType=cv2.BORDER_REPLICATE))
            for across, down in (fine, coarse)
        )
        np.maximum(best, _hard_part(one, other), out=best)
    return best


def _hard_part(fine: Floats, coarse: Floats) -> Floats:
    excess = fine - _SOFT * coarse
    return np.where(excess > _LEAST_EXCESS * fine, excess, np.float32(0.0))


def _noise(edges: Floats, backdrop: NDArray[np.bool_], least: float) -> float:
    return max(float(np.percentile(edges[backdrop], _NOISE_PERCENTILE)), least)
