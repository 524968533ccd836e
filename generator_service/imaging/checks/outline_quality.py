"""How good the product's outline is: torn, or wide and hazy."""

from __future__ import annotations

import cv2
import numpy as np

from generator_service.imaging.checks.evidence import FAINT, Evidence, Field, Mask

_SMOOTHING = 4.0
"""Standard deviation in pixels of the smoothed outline that the outline is compared with."""
_SWERVE = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11)), np.uint8)
"""Neighbourhood in which a ragged outline deviates to both sides."""
_SAME_COLOUR = 8.0
"""CIELAB difference of the two sides of the outline below which it runs through one thing."""
_NEAR = 1.5
"""Standard deviation in pixels of the two sides."""
_HALF_ALPHA = (25, 230)
"""Alpha of an edge, a tenth to nine tenths."""
_GHOST_DISTANCE = 6.0
"""Pixels from the body, at the scale of the evidence, up to which half transparent pixels are its soft edge."""


def torn_share(evidence: Evidence) -> float:
    """Return the share of the outline, 0 to 1, that is ragged without an edge in the photo that it follows.

    Ragged: swerving to both sides of its own smoothed course within a few pixels; corners and thin parts deviate to one
    side. Hair and fringes are ragged too, but have another colour on each side.
    """
    product, outline = evidence.product, evidence.outline
    length = int(np.count_nonzero(outline))
    if length == 0:
        return 0.0
    smooth = cv2.GaussianBlur(product.astype(np.float32), (0, 0), _SMOOTHING) > 0.5
    bumps, dents = (cv2.dilate(part.astype(np.uint8), _SWERVE) > 0 for part in (product & ~smooth, smooth & ~product))
    near = cv2.dilate((product ^ smooth).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ragged = near & bumps & dents
    contrast = np.linalg.norm(_mean(evidence.lab, product) - _mean(evidence.lab, ~product), axis=2)
    return float(np.count_nonzero(outline & ragged & (contrast < _SAME_COLOUR))) / length


def edge_width(evidence: Evidence) -> float:
    """Return the half transparent pixels for each pixel of the outline's length: 1 to 2 for a clean edge."""
    soft = (evidence.alpha > _HALF_ALPHA[0]) & (evidence.alpha < _HALF_ALPHA[1])
    return float(np.count_nonzero(soft) / max(1.0, np.count_nonzero(evidence.outline) / 2.0))


def ghosts(evidence: Evidence) -> float:
    """Return the area of half transparent pixels away from the product's body, as a share of the product's area."""
    if not evidence.body.any():
        return float(np.count_nonzero(evidence.alpha > FAINT)) / evidence.area
    away = cv2.distanceTransform(1 - evidence.body.astype(np.uint8), cv2.DIST_L2, 3) > _GHOST_DISTANCE
    return float(np.count_nonzero((evidence.alpha > FAINT) & away)) / evidence.area


def _mean(lab: Field, mask: Mask) -> Field:
    """Return the local mean colour of the marked pixels."""
    weight = mask.astype(np.float32)
    total = cv2.GaussianBlur(lab * weight[:, :, None], (0, 0), _NEAR)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(weight, (0, 0), _NEAR), 1e-4)[:, :, None], np.float32)
