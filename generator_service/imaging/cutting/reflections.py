"""The product's reflection in the surface that it stands on, kept as product.

Both opinions on a photo take it for product: it has the product's colours and a clear edge. It is a mirror image of the
part above it, fainter, and it fades with the distance from its line. A pale foot or sole may be all of that, so such a
mask needs a person's decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.box import bounding_box
from generator_service.imaging.cutting.border import Floats, smooth_lab, surface_at
from generator_service.imaging.cutting.look import Mask
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import Segmentation
from generator_service.imaging.scaling import scaled_down

_LEAST_DEPTH = 0.05
"""A reflection is at least this share of the mask's height."""
_COVERED = 0.98
"""Share of a reflection that lies under its mirror image; a foot wider than the product above does not."""
_ALIKE = 0.9
"""Cosine between the reflection's differences from the backdrop and those of its mirror image: right ones had 0.92."""
_FAINTEST, _STRONGEST = 0.1, 0.6
"""Range of its strength, where its mirror image has 1."""
_FADED = 0.8
"""Its lower half is at most this strong, where its upper half has 1; feet of one colour had 0.95 and more."""
_STEP = 0.7
"""Right below its line, it is at most this far from the backdrop's colour, where the product right above has 1."""
_AT_LINE = 5
"""Pixels on either side of the line in which the step is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Likeness:
    """How far a part of the mask is the mirror image of the part above it."""

    cosine: float
    strength: float
    fading: float
    step: float

    @property
    def reflects(self) -> bool:
        """Whether it is a reflection."""
        faint = _FAINTEST < self.strength < _STRONGEST
        return self.cosine > _ALIKE and faint and self.fading < _FADED and self.step < _STEP


def reflection(rgb: NDArray[np.uint8], found: Segmentation) -> Mask | None:
    """Mark, H×W at the mask's size, the reflection at the foot of a mask of an sRGB photo; None if there is none.

    None, too, where the backdrop is not plain.
    """
    box = bounding_box(found.mask)
    if found.backdrop.surface is None or box is None:
        return None
    height, width = found.mask.shape
    colours = smooth_lab(scaled_down(rgb, width, height), 0.8)
    mask, apart = box.cut(found.mask), box.cut(colours - surface_at(found.backdrop.surface, height, width))
    tall = box.bottom - box.top
    for depth in range(tall // 2, max(2 * _AT_LINE, round(_LEAST_DEPTH * tall)) - 1, -1):
        likeness = _likeness(mask, apart, tall - depth)
        if likeness is not None and likeness.reflects:
            marked = found.mask.copy()
            marked[: box.bottom - depth] = False
            return marked
    return None


def kept_reflection(marked: Mask | None) -> tuple[Finding, ...]:
    """Doubt a mask with a reflection."""
    if marked is None:
        return ()
    message = "The lower part seems to be the product's reflection; check the result."
    return (Finding(code="uncertain_outline", message=message, region=region_of(marked)),)


def _likeness(mask: Mask, apart: Floats, line: int) -> _Likeness | None:
    """Compare the mask from a row on with the part above; None if that does not cover it."""
    below = mask[line:]
    depth = len(below)
    above = mask[line - depth : line][::-1]
    both = below & above
    if np.count_nonzero(both) < _COVERED * np.count_nonzero(below):
        return None
    faint, image = apart[line:], apart[line - depth : line][::-1]
    common, own, mirrored = (
        np.where(both, np.einsum("hwc,hwc->hw", one, other), 0.0).sum(axis=1)
        for one, other in ((faint, image), (faint, faint), (image, image))
    )
    half = depth // 2
    upper, lower = (
        float(common[part].sum() / max(mirrored[part].sum(), 1e-6)) for part in (slice(half), slice(half, None))
    )
    at_line = slice(1, 1 + _AT_LINE)
    step = float(np.sqrt(own[at_line].sum() / max(mirrored[at_line].sum(), 1e-6)))
    return _Likeness(
        cosine=float(common.sum() / np.sqrt(max(own.sum() * mirrored.sum(), 1e-6))),
        strength=float(common.sum() / max(mirrored.sum(), 1e-6)),
        fading=lower / max(upper, 1e-6),
        step=step,
    )
