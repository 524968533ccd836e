"""The barrier distance of a pixel from the frame: the lowest barrier on any path to it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def barrier_distance(distance: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reconstruct ``distance`` by erosion from the frame.

    The value of a pixel is the smallest level at which a path from outside the picture reaches it without ever
    crossing more than that; ``inf`` past the last level. So a white stripe inside a red product is as far away
    as the red around it, though its colour is the backdrop's.

    The levels (rising) are flooded one by one: time is bounded by their number, however tortuous the paths are.
    """
    reached_at = np.full(distance.shape, np.inf, np.float32)
    for level in levels[::-1]:
        reached_at[reachable(distance <= level)] = level
    return reached_at


def reachable(passable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the passable pixels that are connected, by sides, to the outside of the picture."""
    # A border of one outside pixel joins all regions that touch the frame into one component.
    padded = np.pad(passable.astype(np.uint8), 1, constant_values=1)
    _, labels = cv2.connectedComponents(padded, connectivity=4, ltype=cv2.CV_32S)
    inside: NDArray[np.bool_] = labels[1:-1, 1:-1] == labels[0, 0]
    return inside
