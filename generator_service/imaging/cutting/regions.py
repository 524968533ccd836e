"""Connected parts of masks, and the regions of the photo that masks cover."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Region
from generator_service.imaging.box import bounding_box

_MARGIN = 0.02
"""Margin around marked pixels, as a share of the photo's sides, so that a drawn box does not cover them."""


def parts_with(mask: NDArray[np.bool_], seeds: NDArray[np.bool_], *, connectivity: int) -> NDArray[np.bool_]:
    """Return the connected parts of an H×W mask that hold one of the seeds; ``connectivity`` is 4 or 8."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    held = np.zeros(count, np.bool_)
    held[labels[seeds]] = True
    held[0] = False
    marked: NDArray[np.bool_] = held[labels]
    return marked


def region_of(mask: NDArray[np.bool_]) -> Region | None:
    """Return the region around all true pixels of an H×W mask of the photo, at any scale; None if the mask is empty."""
    box = bounding_box(mask)
    if box is None:
        return None
    height, width = mask.shape
    return Region(
        left=round(max(0.0, box.left / width - _MARGIN), 4),
        top=round(max(0.0, box.top / height - _MARGIN), 4),
        right=round(min(1.0, box.right / width + _MARGIN), 4),
        bottom=round(min(1.0, box.bottom / height + _MARGIN), 4),
    )
