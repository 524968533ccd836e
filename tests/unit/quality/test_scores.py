"""The arithmetic of the quality report."""

from __future__ import annotations

import numpy as np
import pytest

from generator_service.domain.report import Verdict
from tools.quality.scores import Confusion, Score, compare, judge_checks, judge_findings, summarise, worst_tenth
from tools.quality.sheets import by_urgency, errors


def score(
    iou: float | None = 0.95,
    *,
    trusted: bool = True,
    verdicts: dict[str, Verdict] | None = None,
    expected: tuple[str, ...] = (),
    findings: tuple[str, ...] = (),
    rejected: str | None = None,
    touches: bool = False,
) -> Score:
    return Score(
        engine="local",
        photo="cup",
        kind="mug",
        plain=True,
        trusted=trusted,
        iou=iou,
        mae=None if iou is None else 1 - iou,
        seconds_per_megapixel=0.5,
        peak_mib=100.0,
        verdicts=verdicts or {},
        expected=expected,
        findings=findings,
        rejected=rejected,
        touches=touches,
    )


def test_a_silent_failure_is_wrong_and_trusted() -> None:
    assert score(0.5).silent_failure
    assert not score(0.5, trusted=False).silent_failure
    assert not score(0.9).silent_failure
    assert not score(None).silent_failure


def test_summary_counts_trusted_and_silent_failures() -> None:
    figures = summarise([score(1.0), score(0.8), score(0.4, trusted=False), score(None)])
    assert figures["n"] == 4
    assert figures["iou_mean"] == pytest.approx(0.7333, abs=1e-4)
    assert figures["iou_median"] == 0.8
    assert figures["share_good"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures["worst_tenth"] == 0.4
    assert (figures["trusted"], figures["trusted_right"], figures["silent_failures"]) == (0.75, 0.5, 1)


def test_summary_without_masks_leaves_out_what_needs_one() -> None:
    figures = summarise([score(None, trusted=False)])
    assert (figures["iou_mean"], figures["trusted_right"], figures["silent_failures"]) == (None, None, None)
    assert figures["trusted"] == 0


def test_the_worst_tenth_is_the_mean_of_the_lowest() -> None:
    assert worst_tenth([0.5]) == 0.5
    assert worst_tenth([index / 20 for index in range(20)]) == pytest.approx(0.025)


def test_checks_are_compared_with_the_masks() -> None:
    passed, warned, failed = Verdict.PASSED, Verdict.WARNED, Verdict.FAILED
    judged = judge_checks(
        [
            score(0.5, verdicts={"halo": warned, "border": passed}),
            score(0.6, verdicts={"halo": passed, "border": passed}),
            score(0.95, verdicts={"halo": passed, "border": failed}),
            score(0.97, verdicts={"halo": passed, "border": passed}, trusted=False),
            score(None, verdicts={"halo": failed, "border": failed}),
            score(0.0, rejected="image_no_product"),
        ]
    )
    assert judged["halo"] == Confusion(hits=1, misses=1, passes=2)
    assert judged["border"] == Confusion(misses=2, false_alarms=1, passes=1)
    assert judged["any check"] == Confusion(hits=1, misses=1, false_alarms=1, passes=1)
    assert judged["any sign"] == Confusion(hits=1, misses=1, false_alarms=2)
    assert judged["halo"].correct == 0.75
    assert Confusion().correct is None


def test_a_product_at_the_frame_should_be_flagged_however_right_its_mask_is() -> None:
    passed, warned = Verdict.PASSED, Verdict.WARNED
    judged = judge_checks(
        [
            score(0.99, verdicts={"whole": warned}, touches=True),
            score(0.99, verdicts={"whole": warned}),
            score(0.5, verdicts={"whole": passed}),
            score(0.5, verdicts={"whole": passed}, touches=True),
        ]
    )
    assert judged["whole"] == Confusion(hits=1, misses=1, false_alarms=1, passes=1)
    assert judged["any check"] == Confusion(misses=2, passes=2), "a right cut-out of a cropped photo has no flaw"


def test_findings_are_compared_with_the_expected_ones() -> None:
    judged = judge_findings(
        [
            score(expected=("see_through",), findings=("see_through", "cluttered")),
            score(expected=("see_through",)),
            score(findings=("see_through",)),
            score(),
        ]
    )
    assert judged == {"see_through": Confusion(hits=1, misses=1, false_alarms=1, passes=1)}


def test_iou_and_error_of_two_alphas() -> None:
    truth = np.zeros((10, 10), np.uint8)
    truth[:, :5] = 255
    half = np.zeros_like(truth)
    half[:5, :5] = 255
    assert compare(truth, truth) == (1.0, 0.0)
    assert compare(half, truth) == (0.5, 0.25)
    assert compare(np.zeros_like(truth), np.zeros_like(truth)) == (1.0, 0.0)


def test_failures_come_first() -> None:
    silent, bad, worse = score(0.8), score(0.5, trusted=False), score(0.1, trusted=False)
    unknown, good = score(None), score(0.99)
    assert sorted([good, unknown, bad, silent, worse], key=by_urgency) == [silent, worse, bad, unknown, good]


def test_the_map_of_errors_tells_missing_from_extra() -> None:
    truth, alpha = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    truth[:50], alpha[25:75] = 255, 255
    picture = errors(alpha, truth)
    missing, both, extra = (picture[row * picture.shape[0] // 100, 50] for row in (10, 40, 60))
    assert missing[0] > missing[2]
    assert extra[2] > extra[0]
    assert both[0] == both[2] > 0
