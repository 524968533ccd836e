"""From pixels to alpha: the whole way from a photo to its cut-out, with what is thought of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.confidence import judge
from generator_service.imaging.decode import Photo
from generator_service.imaging.matte import matte
from generator_service.imaging.segment import Segmentation, second_opinion, segment, shrink

WORKING_SIDE = 480
"""Longest side, in pixels, of the copy that the product is looked for in."""

_INVISIBLE_ALPHA = 6
"""Alpha of this or less, about 2 %, is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A coarse cut-out and what is thought of it."""

    coarse: Segmentation | None
    """None where the file's own alpha is the cut-out."""
    confidence: float
    """0 to 1; 1 where the file's own alpha says what is product."""
    warnings: tuple[str, ...]


def find_outline(photo: Photo) -> Outline:
    """Find the product coarsely.

    Raises:
        ImageRejected: ``image_no_product``, where nothing stands out from the backdrop.

    """
    if photo.alpha is not None:
        return Outline(coarse=None, confidence=1.0, warnings=())
    found = segment(shrink(photo.rgb, WORKING_SIDE))
    if not found.mask.any():
        raise ImageRejected(
            "image_no_product",
            "nothing in the photo stands out from its background; use a backdrop of another colour",
        )
    second = second_opinion(photo.rgb) if found.backdrop.plain else None
    judgement = judge(found, second)
    return Outline(coarse=found, confidence=judgement.confidence, warnings=judgement.warnings)


def full_alpha(photo: Photo, outline: Outline) -> NDArray[np.uint8]:
    """Return the H×W alpha of the photo, 0 to 255, nearly invisible pixels cleared."""
    if outline.coarse is not None:
        alpha = matte(photo.rgb, outline.coarse.mask)
    elif photo.alpha is not None:
        alpha = photo.alpha.copy()
    else:
        raise ValueError("an outline without a coarse mask needs a photo with its own alpha")
    alpha[alpha <= _INVISIBLE_ALPHA] = 0
    return alpha
