"""The confidence in a cut-out, and the findings about it.

Different methods of finding the product seldom make the same errors, so their agreement is the best sign of a good
mask: the agreement of the fused mask with the network's results on the whole photo and on a close-up
(`fusion.Evidence`). The odds for an agreement were fitted on pictures with known masks (`calibration`, written by
``tools/calibrate.py``). Two colour-based masks do make the same errors: without a network no mask is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.cutting.border import inside_frame
from generator_service.imaging.cutting.calibration import OFFSET, SLOPE, TRUSTED
from generator_service.imaging.cutting.difficulties import difficulties as evident_difficulties
from generator_service.imaging.cutting.fusion import Evidence, overlap
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import Mask, Segmentation

LOW = 0.4
"""No photo with a known difficulty is trusted more than this."""
_HARMLESS = frozenset({"product_touches_frame"})
"""Findings about the photo that don't affect the quality of the mask."""

_LEAST_DISAGREEMENT = 0.01
"""Two masks of different sizes differ by about this much even where both are right."""
_SMALLEST_AREA, _LARGEST_AREA = 0.01, 0.93
_TOUCHING_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judgement of a cut-out."""

    confidence: float
    """The odds, 0 to 1, that the mask is good: that it has an IoU of at least 0.9 with the true one."""
    findings: tuple[Finding, ...]


def judge(found: Segmentation, odds: float | None, doubts: Sequence[Finding] = ()) -> Judgement:
    """Weigh the odds of the mask, 0 to 1, against known difficulties and ``doubts``.

    Without odds, if no network processed the photo, the mask is not trusted.
    """
    odds = LOW if odds is None else round(odds, 3)
    findings = list(one_of_a_kind((*difficulties(found), *doubts)))
    if doubtful(findings):
        odds = min(odds, LOW)
    if odds < TRUSTED and not found.backdrop.plain:
        message = "The background is cluttered, so the cut-out may be wrong; use a plain backdrop."
        findings.insert(0, Finding(code="cluttered", message=message))
    elif odds < TRUSTED and not findings:
        findings.append(Finding(code="uncertain_outline", message="The outline is uncertain; check the result."))
    return Judgement(confidence=odds, findings=tuple(findings))


def one_of_a_kind(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the first finding with each code, which is the most specific one, in their order."""
    return tuple({finding.code: finding for finding in reversed(findings)}.values())[::-1]


def doubtful(findings: Sequence[Finding]) -> bool:
    """Return whether the findings make a mask untrusted, however well the methods agree."""
    return any(finding.code not in _HARMLESS for finding in findings)


def difficulties(found: Segmentation) -> list[Finding]:
    """List the problems that the mask alone shows."""
    findings = list[Finding]()
    area = float(np.mean(found.mask))
    if area < _SMALLEST_AREA:
        message = "The product takes less than 1 % of the photo; go closer."
        findings.append(Finding(code="product_small", message=message, region=region_of(found.mask)))
    elif area > _LARGEST_AREA:
        message = "The product fills nearly the whole photo; leave some backdrop around it."
        findings.append(Finding(code="product_fills_frame", message=message))
    if touches_frame(found.mask):
        message = "The product touches the edge of the photo and may be cut off; leave some room around it."
        region = region_of(found.mask & inside_frame(*found.mask.shape))
        findings.append(Finding(code="product_touches_frame", message=message, region=region))
    return [*findings, *evident_difficulties(found)]


def agreement_of_fusion(mask: Mask, evidence: Evidence) -> float:
    """Return the agreement, 0 to 1, of a fused mask with the network's whole view or close-up: the lower of both."""
    return min(overlap(mask, evidence.whole > 0.5), overlap(mask, evidence.close > 0.5))


def odds_of_good(agreement: float) -> float:
    """Return the odds, 0 to 1, that a mask with this `agreement_of_fusion` is good."""
    return 1.0 / (1.0 + math.exp(-(OFFSET + SLOPE * disagreement(agreement))))


def disagreement(agreement: float) -> float:
    """Return the logarithm of two masks' disagreement, the scale that the odds were fitted on: about -4.6 to 0."""
    return math.log(1.0 - agreement + _LEAST_DISAGREEMENT)


def touches_frame(mask: NDArray[np.bool_]) -> bool:
    """Return whether more than 1 % of the frame, just inside the part that is always backdrop, is product."""
    inner = inside_frame(*mask.shape)
    return bool(inner.any()) and float(np.mean(mask[inner])) > _TOUCHING_SHARE
