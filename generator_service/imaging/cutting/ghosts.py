"""Clears what a network sees faintly and far from the product: it would show as smudges and widen the product's box."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SOLID = 0.5
_VISIBLE = 0.02
_FAINT = 0.25
"""Alpha below this, far from anything solid, is doubt and not glass."""
_REACH = 0.05
"""How far from solid parts faint ones may be, as a share of the longest side: hair, fur and soft edges reach less."""


def without_ghosts(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an H×W alpha, 0 to 1, without parts that hold nothing solid and without faint ones far from solid ones.

    It is zero everywhere if no pixel is solid.
    """
    solid = alpha >= _SOLID
    if not solid.any():
        return np.zeros_like(alpha)
    count, labels = cv2.connectedComponents((alpha > _VISIBLE).astype(np.uint8), connectivity=8)
    held = np.zeros(count, np.bool_)
    held[np.unique(labels[solid])] = True
    held[0] = False
    distance = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    far = (alpha < _FAINT) & (distance > _REACH * max(alpha.shape))
    return np.where(held[labels] & ~far, alpha, np.float32(0.0)).astype(np.float32)
