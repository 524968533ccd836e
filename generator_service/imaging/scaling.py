"""Smaller copies of a picture, averaged over areas, at a small part of the usual cost.

Halving is an exact average of four pixels, and OpenCV does it about ten times as fast as any other reduction. So a
picture is halved while it stays well above the wanted size, and the rest is averaged from that.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_SPARE = 3
"""Halved copies keep at least this multiple of the wanted width and height. A pixel is then averaged from nine or more,
and differs from a direct average by a few levels at most."""


def scaled_down(pixels: Pixels, width: int, height: int) -> Pixels:
    """Average an H×W or H×W×C picture of 0 to 255 to a size that is no larger than its own."""
    rows, columns = pixels.shape[:2]
    # With an odd side, halves would not lie on the pixels' borders.
    while rows % 2 == columns % 2 == 0 and rows >= 2 * _SPARE * height and columns >= 2 * _SPARE * width:
        pixels = halved(pixels)
        rows, columns = pixels.shape[:2]
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def halved(pixels: Pixels) -> Pixels:
    """Average a picture to half its width and height, rounded up."""
    size = ((pixels.shape[1] + 1) // 2, (pixels.shape[0] + 1) // 2)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
