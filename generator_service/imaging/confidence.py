"""How far to trust a cut-out, and what to tell its owner.

Two ways to find the product seldom err alike: by the distance to the backdrop's colour, and by what stands out among
regions (`segment.second_opinion`). Their agreement is the best single sign of a good cut-out that was found; what it
says about the odds was fitted on photos with known masks (`calibration`, written by ``tools/calibrate.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.border import inside_frame
from generator_service.imaging.calibration import OFFSET, SLOPE, TRUSTED
from generator_service.imaging.segment import Mask, Segmentation

LOW = 0.4
"""No photo with a known difficulty is trusted more than this."""

_LEAST_DISAGREEMENT = 0.01
"""Two masks of different sizes differ by about this much even where both are right."""
_SMALLEST_AREA, _LARGEST_AREA = 0.01, 0.93
_TOUCHING_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is thought of a cut-out."""

    confidence: float
    """The odds, 0 to 1, that the mask is good: that it has an IoU of at least 0.9 with the true one."""
    warnings: tuple[str, ...]
    """In plain English, for whoever sent the photo."""


def judge(found: Segmentation, second: Mask | None) -> Judgement:
    """Compare the mask with the one found the other way, and look for known difficulties.

    There is no second opinion on a cluttered photo: it is not trusted whatever the two say.
    """
    difficulties = []
    if not found.backdrop.plain:
        difficulties.append("The background is cluttered, so the cut-out may be wrong; use a plain backdrop.")
    area = float(np.mean(found.mask))
    if area < _SMALLEST_AREA:
        difficulties.append("The product takes less than 1 % of the photo; go closer.")
    elif area > _LARGEST_AREA:
        difficulties.append("The product fills nearly the whole photo; leave some backdrop around it.")
    if touches_frame(found.mask):
        difficulties.append("The product touches the edge of the photo and may be cut off; leave some room around it.")
    odds = LOW if second is None else odds_of_good(overlap(found.mask, second))
    if difficulties:
        odds = min(odds, LOW)
    elif odds < TRUSTED:
        difficulties.append("The outline is uncertain; check the result.")
    return Judgement(confidence=round(odds, 3), warnings=tuple(difficulties))


def odds_of_good(agreement: float) -> float:
    """Return the odds, 0 to 1, that a mask is good whose overlap with the second opinion is ``agreement``."""
    return 1.0 / (1.0 + math.exp(-(OFFSET + SLOPE * disagreement(agreement))))


def disagreement(agreement: float) -> float:
    """Return the logarithm of how far two masks are from agreeing, as the odds were fitted on: about -4.6 to 0."""
    return math.log(1.0 - agreement + _LEAST_DISAGREEMENT)


def overlap(mask: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; the other is scaled to the first one's size."""
    size = (mask.shape[1], mask.shape[0])
    scaled = cv2.resize(other.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    union = np.count_nonzero(mask | scaled)
    return np.count_nonzero(mask & scaled) / union if union else 0.0


def touches_frame(mask: NDArray[np.bool_]) -> bool:
    """Tell whether more than 1 % of the frame, just inside the part that is always backdrop, is product."""
    inner = inside_frame(*mask.shape)
    return bool(inner.any()) and float(np.mean(mask[inner])) > _TOUCHING_SHARE
