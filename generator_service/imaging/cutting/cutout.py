"""From pixels to alpha: from a photo to its cut-out, with confidence and findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Finding
from generator_service.domain.hints import Hint
from generator_service.imaging.cutting.confidence import LOW, agreement_of_fusion, judge, odds_of_good, one_of_a_kind
from generator_service.imaging.cutting.doubts import blemishes, doubts
from generator_service.imaging.cutting.fusion import WORKING_SIDE, Evidence, fuse, gather
from generator_service.imaging.cutting.gaps import Gaps, filled_gaps, find_gaps, without_gaps
from generator_service.imaging.cutting.ghosts import without_faint_pieces
from generator_service.imaging.cutting.hints import apply_hints, kept
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.network import Prior
from generator_service.imaging.cutting.openwork import Openwork, filled_openwork, find_openwork
from generator_service.imaging.cutting.piercing import pierced
from generator_service.imaging.cutting.reflections import kept_reflection, reflection
from generator_service.imaging.cutting.segment import Mask, Segmentation, segment, shrink
from generator_service.imaging.scaling import scaled_down
from generator_service.imaging.source.decode import Photo

_INVISIBLE_ALPHA = 6
"""Alpha of this or less, about 2 %, is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A coarse cut-out with confidence and findings."""

    coarse: Segmentation | None
    """None where the file's own transparency is the cut-out."""
    confidence: float
    """0 to 1; 1 where the file is a finished cut-out."""
    findings: tuple[Finding, ...]
    most: NDArray[np.uint8] | None = None
    """The most alpha, 0 to 255, that openings too small for the coarse cut-out leave: of any size with the photo's
    proportions. None where there are none."""
    gaps: Mask | None = None
    """Narrow gaps to cut out of the alpha: of any size with the photo's proportions. None where there are none."""


def find_outline(photo: Photo, *, prior: Prior | None, hints: Sequence[Hint] = ()) -> Outline:
    """Find the product coarsely, by its colours and by a network's mask of the photo (``prior``).

    Without a prior, only the colours are used, and the result is not trusted. ``hints`` are regions of the photo that
    are certainly product or backdrop.

    Raises:
        ImageRejected: ``image_no_product``, if no product stands out from the backdrop.

    """
    if photo.alpha is not None:
        return Outline(coarse=None, confidence=1.0, findings=())
    return weigh(photo, None if prior is None else gather(photo.rgb, prior), hints)


def weigh(photo: Photo, evidence: Evidence | None, hints: Sequence[Hint] = ()) -> Outline:
    """Find the product in a photo without transparency of its own from the evidence; see `find_outline`."""
    found, odds, uncertain = _colours_alone(photo) if evidence is None else _fused(evidence)
    small = () if evidence is None else blemishes(found.mask, evidence)
    mask, notices = hinted(found.mask, photo, hints)
    if found.mask.any() and not mask.any():
        raise ImageRejected("image_no_product", "the hints leave no product; drop less, or keep more")
    found = replace(found, mask=mask)
    if not found.mask.any() and photo.visible is not None:
        return Outline(
            coarse=None,
            confidence=LOW,
            findings=(
                Finding(
                    code="no_product_inside",
                    message="No product was found inside the photo, so all of its visible part was kept; "
                    "check the result.",
                ),
            ),
        )
    if not found.mask.any():
        raise ImageRejected(
            "image_no_product",
            "nothing in the photo stands out from its background; use a backdrop of another colour",
        )
    return judged(photo, found, odds, uncertain, (*small, *notices), hints)


def judged(
    photo: Photo,
    found: Segmentation,
    odds: float | None,
    uncertain: tuple[Finding, ...],
    notices: tuple[Finding, ...],
    hints: Sequence[Hint],
) -> Outline:
    """Return the outline of a coarse cut-out, with its small openings and narrow gaps.

    ``odds`` and ``uncertain`` determine the confidence (`judge`), as do openings that were filled and a reflection that
    was kept; ``notices`` don't, nor do narrow gaps, since the mask may be good nevertheless.
    """
    openwork = find_openwork(photo.rgb, found)
    gaps = None if openwork is not None else find_gaps(photo.rgb, found)
    evident = (*filled_openwork(openwork), *kept_reflection(reflection(photo.rgb, found)))
    judgement = judge(found, odds, (*uncertain, *evident))
    return Outline(
        coarse=found,
        confidence=judgement.confidence,
        findings=one_of_a_kind((*judgement.findings, *filled_gaps(gaps), *notices)),
        most=_most_alpha(openwork, hints),
        gaps=_gaps_to_open(gaps, hints),
    )


def _colours_alone(photo: Photo) -> tuple[Segmentation, float | None, tuple[Finding, ...]]:
    return segment(shrink(photo.rgb, WORKING_SIDE)), None, ()


def _fused(evidence: Evidence) -> tuple[Segmentation, float | None, tuple[Finding, ...]]:
    found = fuse(evidence)
    odds = odds_of_good(agreement_of_fusion(found.mask, evidence))
    return found, odds, doubts(found.mask, evidence)


def hinted(mask: Mask, photo: Photo, hints: Sequence[Hint]) -> tuple[Mask, tuple[Finding, ...]]:
    """Apply hints to a coarse mask of the photo; return the mask with findings about hints without effect."""
    if not hints:
        return mask, ()
    return apply_hints(mask, scaled_down(photo.rgb, *mask.shape[::-1]), hints)


def _most_alpha(openwork: Openwork | None, hints: Sequence[Hint]) -> NDArray[np.uint8] | None:
    """Return the most alpha, 0 to 255, that small openings leave, if any can be cut out; all of it in what to keep."""
    most = None if openwork is None else pierced(openwork)
    if most is not None and hints:
        height, width = most.shape
        most[kept(height, width, hints)] = 255
    return most


def _gaps_to_open(gaps: Gaps | None, hints: Sequence[Hint]) -> Mask | None:
    """Return the gaps that are surely no print, except in regions to keep."""
    if gaps is None or not gaps.thin:
        return None
    height, width = gaps.marked.shape
    return gaps.marked & ~kept(height, width, hints)


def full_alpha(photo: Photo, outline: Outline) -> NDArray[np.uint8]:
    """Return the H×W alpha of the photo, 0 to 255, nearly invisible pixels cleared."""
    if outline.coarse is not None:
        alpha = matte(photo.rgb, outline.coarse.mask)
        if outline.most is not None:
            np.minimum(alpha, cv2.resize(outline.most, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), out=alpha)
        if outline.gaps is not None:
            alpha = without_gaps(photo.rgb, alpha, outline.gaps)
        alpha = without_faint_pieces(alpha)
    elif photo.alpha is not None:
        alpha = photo.alpha.copy()
    elif photo.visible is not None:
        alpha = np.full(photo.visible.shape, 255, np.uint8)
    else:
        raise ValueError("an outline without a coarse mask needs a photo with transparency")
    alpha[alpha <= _INVISIBLE_ALPHA] = 0
    return within(alpha, photo)


def within(alpha: NDArray[np.uint8], photo: Photo) -> NDArray[np.uint8]:
    """Clear an H×W alpha where the photo is transparent."""
    return alpha if photo.visible is None else np.where(photo.visible, alpha, np.uint8(0))
