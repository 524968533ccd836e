"""The verdict on a result."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator_service.domain.finding import CODES, Finding
from generator_service.domain.report import Check, Report, Verdict
from generator_service.domain.verdict import FOR_INFORMATION, Judgement, ResultVerdict, judge_result


def verdict_on(
    *codes: str, failed: tuple[str, ...] = (), warned: tuple[str, ...] = (), confidence: float | None = 0.95
) -> Judgement:
    """Judge a result with these findings and checks; the confidence threshold is 0.9."""
    checks = [Check(name="size", verdict=Verdict.PASSED)]
    checks += [Check(name=name, verdict=Verdict.WARNED) for name in warned]
    checks += [Check(name=name, verdict=Verdict.FAILED) for name in failed]
    return judge_result(
        report=Report(preset="amazon", checks=tuple(checks)),
        findings=tuple(Finding(code=code, message=code) for code in codes),
        confidence=confidence,
        trusted=0.9,
    )


def test_trusted_result_without_a_doubt_is_ready() -> None:
    assert verdict_on() == Judgement(verdict=ResultVerdict.READY)
    assert verdict_on(confidence=0.9).verdict is ResultVerdict.READY


def test_finding_for_information_leaves_a_result_ready() -> None:
    assert set(CODES) > FOR_INFORMATION
    assert verdict_on(*sorted(FOR_INFORMATION)) == Judgement(verdict=ResultVerdict.READY)


@pytest.mark.parametrize("code", [*sorted(set(CODES) - FOR_INFORMATION), "of_a_later_release"])
def test_any_other_finding_needs_review(code: str) -> None:
    assert verdict_on(code) == Judgement(verdict=ResultVerdict.NEEDS_REVIEW, reasons=(code,))


def test_low_or_unknown_confidence_needs_review_though_every_check_passed() -> None:
    assert verdict_on(confidence=0.4) == Judgement(verdict=ResultVerdict.NEEDS_REVIEW, reasons=("low_confidence",))
    assert verdict_on(confidence=None) == Judgement(verdict=ResultVerdict.NEEDS_REVIEW, reasons=("no_confidence",))


def test_cut_out_by_a_users_mask_needs_no_confidence_but_its_flaws_count() -> None:
    clean = Report(preset="amazon", checks=(Check(name="size", verdict=Verdict.PASSED),))
    judged = judge_result(report=clean, findings=(), confidence=None, trusted=0.9, masked=True)
    assert judged == Judgement(verdict=ResultVerdict.READY)
    torn = Report(preset="amazon", checks=(Check(name="torn", verdict=Verdict.WARNED),))
    judged = judge_result(report=torn, findings=(), confidence=None, trusted=0.9, masked=True)
    assert judged == Judgement(verdict=ResultVerdict.NEEDS_REVIEW, reasons=("torn",))


def test_failed_check_wins_and_reasons_come_by_gravity_each_once() -> None:
    judged = verdict_on("cluttered", "cluttered", failed=("border",), warned=("halo",), confidence=0.4)
    assert judged == Judgement(verdict=ResultVerdict.FAILED, reasons=("border", "halo", "cluttered", "low_confidence"))


def test_result_without_a_report_needs_review() -> None:
    judged = judge_result(report=None, findings=(), confidence=1.0, trusted=0.9)
    assert judged == Judgement(verdict=ResultVerdict.NEEDS_REVIEW, reasons=("no_report",))


def test_proto_documents_the_reasons_that_are_neither_checks_nor_findings() -> None:
    proto = (Path(__file__).parents[3] / "protos" / "whitebg" / "v1" / "task.proto").read_text()
    for reason in ("low_confidence", "no_confidence", "no_report"):
        assert f'"{reason}":' in proto
