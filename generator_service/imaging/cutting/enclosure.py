"""The product of a plain photo by its outline: the region that a ball rolling in from the frame cannot reach.

The ball rolls over the backdrop and over its shadows, and is stopped by hard edges and by other colours. So a pale
label, a blade or a white box is kept for the edges around it, however near its colour is to the backdrop's, and a
contact shadow is not, however dark it is. Enclosed regions that look like the backdrop are openings.
"""

from __future__ import annotations

import cv2
import numpy as np

from generator_service.imaging.cutting.look import Look, Mask
from generator_service.imaging.cutting.reconcile import components, disc
from generator_service.imaging.cutting.rim import settle_rim

_OPENING = 0.8
"""An enclosed region within this share of the tolerance is an opening…"""
_BRIGHTER = 0.5
"""… unless it is brighter than the backdrop by this, in Lab units or times its noise: light adds nothing to holes."""
_VISIBLE_SHARE = 0.05
"""A region with less than this share of it clear of hard edges is a gap between details."""
_STRONG_CONTRAST = 4.0
"""A gap is an opening only where details differ from the backdrop by this multiple of the tolerance."""


def enclosed(look: Look, radius: int) -> Mask:
    """Find the product, H×W: where a ball of ``radius`` pixels cannot roll, less the openings."""
    passable = (~look.hard & (look.shadow_like | (look.distance <= look.tolerance))) | look.frame
    outside = _rolled_over(passable, radius)
    mask = settle_rim(look.colours, outside, look.tolerance)
    openings = _openings(look, mask)
    if openings.any():
        mask &= ~openings
        mask &= settle_rim(look.colours, ~mask, look.tolerance)
    return mask


def _rolled_over(passable: Mask, radius: int) -> Mask:
    margin = radius + 1
    padded = np.pad(passable.astype(np.uint8), margin, constant_values=1)
    _, labels = cv2.connectedComponents(cv2.erode(padded, disc(radius)), connectivity=4)
    centres = (labels == labels[0, 0]).astype(np.uint8)
    covered: Mask = ((cv2.dilate(centres, disc(radius)) > 0) & (padded > 0))[margin:-margin, margin:-margin]
    return covered


def _openings(look: Look, mask: Mask) -> Mask:
    near = mask & ((look.distance <= look.tolerance) | (look.shadow_like & (look.distance < 1.5 * look.tolerance)))
    labels, pixels = components(near)
    opening = np.zeros(len(pixels), np.bool_)
    hard, distance, dimming = look.hard.ravel(), look.distance.ravel(), look.dimming.ravel()
    around = cv2.dilate(look.distance, disc(4)).ravel()
    for number, members in enumerate(pixels[1:], start=1):
        clear = members[~hard[members]]
        if len(clear) < max(4.0, _VISIBLE_SHARE * len(members)):
            opening[number] = (
                len(members) > 2
                and float(np.median(distance[members])) < _OPENING * look.tolerance
                and float(np.median(around[members])) > _STRONG_CONTRAST * look.tolerance
            )
        else:
            opening[number] = float(np.median(distance[clear])) < _OPENING * look.tolerance and float(
                np.median(dimming[clear])
            ) < _BRIGHTER * max(1.0, look.noise)
    found: Mask = opening[labels]
    return found
