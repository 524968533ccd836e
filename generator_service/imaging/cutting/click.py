"""The part of a photo under a click: a connected region of similar colour, bounded by edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import smooth_lab

Mask = NDArray[np.bool_]

TOLERANCE = 9.0
"""Colours farther than this from the clicked one, in Lab units, are another part, …"""
_STEP = 4.0
"""… and so is what lies beyond a step of more than this between neighbours: an edge."""
_SMOOTHING = 1.0
_AROUND = 2
"""The clicked colour is the median within this many pixels, so that noise under the pointer does not matter."""


def region_at(rgb: NDArray[np.uint8], x: float, y: float, *, tolerance: float = TOLERANCE) -> Mask:
    """Return the part of an H×W×3 sRGB picture under a point, given in shares (0 to 1) of width and height.

    The part is a candidate to keep or to drop: connected, without holes of noise, never empty.

    Raises:
        ValueError: the point lies outside the picture.

    """
    if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
        raise ValueError(f"the point {x:g}, {y:g} is outside the picture; use shares from 0 to 1")
    height, width = rgb.shape[:2]
    column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
    colours = smooth_lab(rgb, _SMOOTHING)
    near = colours[max(0, row - _AROUND) : row + _AROUND + 1, max(0, column - _AROUND) : column + _AROUND + 1]
    clicked = np.median(near.reshape(-1, 3), axis=0)
    similar = np.linalg.norm(colours - clicked, axis=2) <= tolerance
    part = similar & ~_edges(colours)
    part[row, column] = True
    _, labels = cv2.connectedComponents(part.astype(np.uint8), connectivity=4)
    found = (labels == labels[row, column]).astype(np.uint8)
    # The edges themselves belong to the part on whose side their colour is.
    grown = (cv2.dilate(found, np.ones((5, 5), np.uint8)) > 0) & similar
    selected: Mask = (found > 0) | grown
    return selected


def _edges(colours: NDArray[np.float32]) -> Mask:
    """Return where neighbours differ by a step."""
    across = np.linalg.norm(np.diff(colours, axis=1, append=colours[:, -1:]), axis=2)
    down = np.linalg.norm(np.diff(colours, axis=0, append=colours[-1:]), axis=2)
    edges: Mask = np.maximum(across, down) > _STEP
    return edges
