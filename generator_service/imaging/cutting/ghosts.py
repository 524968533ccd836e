"""Clears what is only faintly product: far from it, it would show as smudges and widen the product's box."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.regions import parts_with
from generator_service.imaging.scaling import scaled_down

_SOLID = 0.5
_VISIBLE = 0.02
_FAINT = 0.25
"""Alpha below this, far from anything solid, is doubt and not glass."""
_PIECES_SIDE = 1000
"""Longest side, in pixels, of the copy in which faint pieces are searched."""
_REACH = 0.05
"""How far from solid parts faint ones may be, as a share of the longest side: hair, fur and soft edges reach less."""


def without_ghosts(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an H×W alpha, 0 to 1, without parts that hold nothing solid and without faint ones far from solid ones.

    It is zero everywhere if no pixel is solid.
    """
    solid = alpha >= _SOLID
    if not solid.any():
        return np.zeros_like(alpha)
    held = parts_with(alpha > _VISIBLE, solid, connectivity=8)
    distance = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    far = (alpha < _FAINT) & (distance > _REACH * max(alpha.shape))
    return np.where(held & ~far, alpha, np.float32(0.0)).astype(np.float32)


def without_faint_pieces(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an H×W alpha, 0 to 255, without separate pieces that are solid nowhere: remains of shadows and stains.

    It is unchanged if no pixel at all is solid.
    """
    height, width = alpha.shape
    scale = min(1.0, _PIECES_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # A pixel of the copy is visible, or solid, where any pixel of the alpha is.
    visible, solid = (
        scaled_down(np.where(alpha > share * 255.0, np.uint8(255), np.uint8(0)), *size) > 0
        for share in (_VISIBLE, _SOLID)
    )
    if not solid.any():
        return alpha
    count, labels = cv2.connectedComponents(visible.astype(np.uint8), connectivity=8)
    faint = np.ones(count, np.bool_)
    faint[labels[solid]] = False
    faint[0] = False
    if not faint.any():
        return alpha
    # Pieces are at least a pixel of the copy apart, so this one covers what the enlargement rounds off.
    marked = cv2.dilate(faint[labels].astype(np.uint8), np.ones((3, 3), np.uint8))
    cleared = alpha.copy()
    cleared[cv2.resize(marked, (width, height), interpolation=cv2.INTER_NEAREST) > 0] = 0
    return cleared
