"""Turn a product by any angle, before it is scaled, so that the loss of sharpness is least."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import Box

Pixels = NDArray[np.uint8]

_QUARTER_TURN = 90.0
_MAX_DIAGONAL = 10_000
"""Pixels of the diagonal above which a picture is made smaller first: no frame is larger, and memory is bounded."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A product laid over its background, and its alpha."""

    pixels: Pixels
    """H×W×3."""
    alpha: Pixels
    """H×W, 0 to 255."""

    def cut(self, box: Box) -> Layer:
        """Return the part inside the box, as views."""
        return Layer(box.cut(self.pixels), box.cut(self.alpha))


@dataclass(frozen=True, slots=True)
class Turned:
    """A turned layer, as large as its corners need."""

    layer: Layer
    corner: tuple[float, float]
    """Column and row of the original's top left corner."""
    scale: float
    """Pixels per pixel of the original; 1 unless that was too large to be turned."""


def turned(pixels: Pixels, alpha: Pixels, degrees: float, background: tuple[int, int, int]) -> Turned:
    """Turn an H×W×3 picture and its H×W alpha clockwise; what is added in the corners is background without alpha.

    Multiples of 90 degrees keep every pixel. Pixels without alpha are exactly background.
    """
    if degrees % _QUARTER_TURN == 0.0:
        quarters = -round(degrees / _QUARTER_TURN)
        return Turned(Layer(np.rot90(pixels, quarters), np.rot90(alpha, quarters)), _corner(alpha, degrees), 1.0)
    scale = min(1.0, _MAX_DIAGONAL / math.hypot(*alpha.shape))
    if scale < 1.0:
        pixels, alpha = _shrunk(pixels, scale), _shrunk(alpha, scale)
    corner = _corner(alpha, degrees)
    cosine, sine = _axes(degrees)
    height, width = alpha.shape
    size = math.ceil(width * abs(cosine) + height * abs(sine)), math.ceil(width * abs(sine) + height * abs(cosine))
    # OpenCV counts from the middle of the first pixel.
    half = 0.5 * (cosine - sine - 1.0), 0.5 * (sine + cosine - 1.0)
    matrix = np.array([[cosine, -sine, corner[0] + half[0]], [sine, cosine, corner[1] + half[1]]])
    layer = Layer(
        np.asarray(cv2.warpAffine(pixels, matrix, size, borderValue=background), np.uint8),
        np.asarray(cv2.warpAffine(alpha, matrix, size, borderValue=0), np.uint8),
    )
    layer.pixels[layer.alpha == 0] = background  # Interpolation rounds colours and alpha separately.
    return Turned(layer, corner, scale)


def _shrunk(pixels: Pixels, scale: float) -> Pixels:
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _axes(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _corner(alpha: Pixels, degrees: float) -> tuple[float, float]:
    """Return where the top left corner lies once the turned picture's own box begins at 0, 0."""
    (height, width), (cosine, sine) = alpha.shape, _axes(degrees)
    columns = (0.0, width * cosine, -height * sine, width * cosine - height * sine)
    rows = (0.0, width * sine, height * cosine, width * sine + height * cosine)
    return -min(columns), -min(rows)
