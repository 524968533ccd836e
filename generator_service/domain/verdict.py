"""The verdict on a result, from its report, its findings and the engine's confidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generator_service.domain.finding import Finding
from generator_service.domain.report import Report, Verdict

LOW_CONFIDENCE = "low_confidence"
NO_CONFIDENCE = "no_confidence"
NO_REPORT = "no_report"

FOR_INFORMATION = frozenset(
    {"engine_fallback", "several_pictures", "incomplete_file", "transparent_areas", "unverified_weights"},
)
"""Codes of informational findings, which cast no doubt on the result."""


class ResultVerdict(StrEnum):
    """Whether a result can be used."""

    READY = "ready"
    """Every check passed and nothing casts doubt on the cut-out."""
    NEEDS_REVIEW = "needs_review"
    """It breaks no rule, but a person should review it before use."""
    FAILED = "failed"
    """It breaks a rule of the market or of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and its reasons."""

    verdict: ResultVerdict
    reasons: tuple[str, ...] = ()
    """Names of checks that failed or warned, codes of findings, `LOW_CONFIDENCE`, `NO_CONFIDENCE` or `NO_REPORT`; the
    most severe first, each once. Empty if READY."""


def judge_result(
    *,
    report: Report | None,
    findings: tuple[Finding, ...],
    confidence: float | None,
    trusted: float,
    masked: bool = False,
) -> Judgement:
    """Judge a result; ``trusted`` is the confidence, 0 to 1, from which a cut-out needs no review.

    ``masked``: the user supplied the mask, so a person decided on the cut-out and no confidence is needed.

    Missing information counts as a doubt: a result without a report or a confidence needs review.
    """
    checks = () if report is None else report.checks
    failed = [check.name for check in checks if check.verdict is Verdict.FAILED]
    doubts = [check.name for check in checks if check.verdict is Verdict.WARNED]
    doubts += [finding.code for finding in findings if finding.code not in FOR_INFORMATION]
    if confidence is None and not masked:
        doubts.append(NO_CONFIDENCE)
    elif confidence is not None and confidence < trusted:
        doubts.append(LOW_CONFIDENCE)
    if report is None:
        doubts.append(NO_REPORT)
    reasons = tuple(dict.fromkeys([*failed, *doubts]))
    if failed:
        return Judgement(verdict=ResultVerdict.FAILED, reasons=reasons)
    return Judgement(verdict=ResultVerdict.NEEDS_REVIEW if doubts else ResultVerdict.READY, reasons=reasons)
