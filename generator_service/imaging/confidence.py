"""How far to trust a cut-out, and what to tell its owner.

The agreement of the masks found at two sizes is the best single sign of a good one. It filters out disasters; it
certifies nothing: parts of the product in the backdrop's colour are lost at both sizes alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.border import inside_frame
from generator_service.imaging.segment import Mask, Segmentation

LOW = 0.4
"""No photo with a known difficulty is trusted more than this."""
SURE = 0.9
"""Less agreement of the two sizes than this is reported."""

_SMALLEST_AREA, _LARGEST_AREA = 0.01, 0.93
_TOUCHING_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is thought of a cut-out."""

    confidence: float
    """0 to 1."""
    warnings: tuple[str, ...]
    """In plain English, for whoever sent the photo."""


def judge(found: Segmentation, second_opinion: Mask | None) -> Judgement:
    """Compare the mask with the one found at another size, and look for known difficulties.

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
    agreement = LOW if second_opinion is None else overlap(found.mask, second_opinion)
    if second_opinion is not None and agreement < SURE:
        difficulties.append("The outline is uncertain; check the result.")
    confidence = min(agreement, LOW) if difficulties else agreement
    return Judgement(confidence=round(confidence, 3), warnings=tuple(difficulties))


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
