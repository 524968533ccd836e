"""Scores of single results and their summaries: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.report import Verdict

GOOD_IOU = 0.9
"""A result with at least this IoU is right."""

CRASH = "crash: "
"""Start of `Score.rejected` if the engine failed with an exception of its own."""

WHOLE = "whole"
"""The check of the compliance report that asks whether the photo shows the whole product."""

Summary = dict[str, float | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The result of one engine for one photo; IoU and error are None where there is no mask to compare with."""

    engine: str
    photo: str
    kind: str
    plain: bool
    """Whether the engine classified the backdrop as plain."""
    trusted: bool
    """Whether the engine is confident enough for the result to be used unseen."""
    iou: float | None
    mae: float | None
    """Mean absolute error of the alpha, 0 to 1."""
    seconds_per_megapixel: float
    """CPU time of the process, all threads."""
    peak_mib: float
    """Peak memory of the process."""
    touches: bool | None = None
    """Whether the true product touches the photo's frame; None where there is no mask."""
    rejected: str | None = None
    """The error code, where the engine made no picture; or `CRASH` and the exception."""
    expected: tuple[str, ...] = ()
    """Codes of findings that the result should carry."""
    findings: tuple[str, ...] = ()
    """Codes of findings that it carries."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """The compliance report: each check's verdict."""

    @property
    def right(self) -> bool | None:
        """Whether the mask is good; None where that is unknown."""
        return None if self.iou is None else self.iou >= GOOD_IOU

    @property
    def silent_failure(self) -> bool:
        """Whether the result is wrong and nothing indicates it."""
        return self.right is False and self.trusted


def compare(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> tuple[float, float]:
    """Return IoU (both sides cut at a half) and mean absolute error of an alpha of the same size, 0 to 1."""
    found, wanted = alpha > 127, truth > 127
    union = np.count_nonzero(found | wanted)
    iou = float(np.count_nonzero(found & wanted) / union) if union else 1.0
    return iou, float(np.mean(cv2.absdiff(alpha, truth))) / 255.0


def worst_tenth(ious: Sequence[float]) -> float:
    """Return the mean of the lowest tenth, at least one of them."""
    return mean(sorted(ious)[: max(1, round(len(ious) / 10))])


def share_good(ious: Sequence[float]) -> float:
    """Return the share, 0 to 1, of the results that are right."""
    return sum(iou >= GOOD_IOU for iou in ious) / len(ious)


def summarise(scores: Sequence[Score]) -> Summary:
    """Summarise some results, rounded. Without masks, figures that need one are None."""
    known = [score for score in scores if score.iou is not None]
    ious = [score.iou for score in known if score.iou is not None]
    maes = [score.mae for score in known if score.mae is not None]
    trusted = [score.iou for score in known if score.iou is not None and score.trusted]
    return {
        "n": len(scores),
        "iou_mean": round(mean(ious), 4) if ious else None,
        "iou_median": round(median(ious), 4) if ious else None,
        "share_good": round(share_good(ious), 4) if ious else None,
        "worst_tenth": round(worst_tenth(ious), 4) if ious else None,
        "mae": round(mean(maes), 4) if maes else None,
        "trusted": round(mean(score.trusted for score in scores), 4),
        "trusted_right": round(share_good(trusted), 4) if trusted else None,
        "silent_failures": sum(score.silent_failure for score in scores) if ious else None,
        "s_per_mp": round(mean(score.seconds_per_megapixel for score in scores), 3),
        "peak_mib": round(max(score.peak_mib for score in scores)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often a signal was right: counts of results by whether it was due and whether it was given."""

    hits: int = 0
    """Due and given."""
    misses: int = 0
    """Due, but not given."""
    false_alarms: int = 0
    """Given, but not due."""
    passes: int = 0
    """Neither."""

    @property
    def correct(self) -> float | None:
        """The share of the results, 0 to 1, for which it was right."""
        total = self.hits + self.misses + self.false_alarms + self.passes
        return (self.hits + self.passes) / total if total else None


def confusion(outcomes: Iterable[tuple[bool, bool]]) -> Confusion:
    """Count pairs of (due, given)."""
    counts = Counter(outcomes)
    return Confusion(
        hits=counts[True, True],
        misses=counts[True, False],
        false_alarms=counts[False, True],
        passes=counts[False, False],
    )


def judge_checks(scores: Sequence[Score]) -> dict[str, Confusion]:
    """Compare each check of the compliance report with the masks: wrong results should be flagged, right ones pass.

    `WHOLE` is not about the cut-out: it should flag the products that touch the photo's frame. ``any check`` flags a
    result that any other check flags; ``any sign`` also counts a result that isn't trusted.
    """
    known = [score for score in scores if score.right is not None and score.rejected is None]
    names = list(dict.fromkeys(name for score in known for name in score.verdicts))
    judged = {
        name: confusion(
            (bool(score.touches) if name == WHOLE else not score.right, score.verdicts[name] is not Verdict.PASSED)
            for score in known
            if name in score.verdicts
        )
        for name in names
    }
    judged["any check"] = confusion((not score.right, flagged(score)) for score in known)
    judged["any sign"] = confusion((not score.right, flagged(score) or not score.trusted) for score in known)
    return judged


def flagged(score: Score) -> bool:
    """Return whether any check of the report that is about the cut-out warned or failed."""
    return any(verdict is not Verdict.PASSED for name, verdict in score.verdicts.items() if name != WHOLE)


def judge_findings(scores: Sequence[Score]) -> dict[str, Confusion]:
    """Compare the findings with those that the manifest expects, for each code that it expects of some photo."""
    codes = sorted({code for score in scores for code in score.expected})
    return {code: confusion((code in score.expected, code in score.findings) for score in scores) for code in codes}
