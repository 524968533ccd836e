from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.calibrate import (
    Sample,
    cross_validated,
    fit,
    fit_samples,
    lower_bound,
    product_of,
    threshold_of_trust,
    written,
)

ONES = np.ones(12)


def test_logistic_odds_are_found_again() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-4.6, 0, 4000)
    good = (rng.random(4000) < 1 / (1 + np.exp(5 + 2 * x))).astype(np.float64)
    assert fit(x, good, np.ones(4000)) == pytest.approx([-5, -2], abs=0.4)


def test_a_heavy_sample_counts_as_several() -> None:
    x, good = np.array([-4.0, -3.0, -1.0, -0.5]), np.array([1.0, 0.0, 1.0, 0.0])
    again = [0, 1, 1, 1, 2, 3]
    assert fit(x, good, np.array([1.0, 3.0, 1.0, 1.0])) == pytest.approx(fit(x[again], good[again], np.ones(6)))


def test_a_group_is_judged_by_the_others_alone() -> None:
    x = np.array([-4.0, -3.0, -2.0, -1.0] * 3)
    groups = np.repeat(["one", "two", "three"], 4)
    good = np.array([1.0, 1.0, 0.0, 0.0] * 3)
    before = cross_validated(x, good, ONES, groups)
    good[:4] = [0.0, 0.0, 1.0, 1.0]
    after = cross_validated(x, good, ONES, groups)
    assert after[:4] == pytest.approx(before[:4])
    assert after[4:] != pytest.approx(before[4:])


def test_the_threshold_lets_as_many_pass_as_the_precision_allows() -> None:
    odds = np.linspace(1.0, 0.001, 1000)
    good = np.ones(1000)
    good[300] = 0.0
    good[600:] = 0.0
    trusted = threshold_of_trust(odds, good, np.ones(1000))
    assert 0.95 < np.mean(good[odds >= trusted]) < 0.98
    # At the last sample that reaches the bound, the next would not.
    count = np.count_nonzero(odds >= trusted)
    right = np.count_nonzero(good[:count])
    bounds = lower_bound(np.array([right / count, right / (count + 1)]), np.array([count, count + 1.0]))
    assert bounds[0] >= 0.95 > bounds[1]


def test_the_lower_bound_is_below_the_share_and_nears_it_with_more_samples() -> None:
    few, more, many = (float(lower_bound(np.array(0.96), np.array(count))) for count in (25.0, 100.0, 10_000.0))
    assert 0.0 < few < more < many < 0.96
    assert many == pytest.approx(0.96, abs=0.004)
    assert float(lower_bound(np.array(1.0), np.array(10.0))) < 1.0


def test_too_few_samples_prove_nothing() -> None:
    with pytest.raises(SystemExit, match="no threshold"):
        threshold_of_trust(np.linspace(1, 0.9, 20), np.ones(20), np.ones(20))


def test_light_samples_prove_less_than_as_many_of_equal_weight() -> None:
    odds, good = np.linspace(1.0, 0.9, 40), np.ones(40)
    assert threshold_of_trust(odds, good, np.ones(40)) == pytest.approx(0.9)
    with pytest.raises(SystemExit, match="no threshold"):
        threshold_of_trust(odds, good, np.where(np.arange(40) < 4, 1.0, 0.01))


def test_without_good_results_there_is_no_threshold() -> None:
    with pytest.raises(SystemExit, match="no threshold"):
        threshold_of_trust(np.linspace(0, 1, 5), np.zeros(5), np.ones(5))


def samples(*, photo: bool, iou_of_agreeing: float = 0.97) -> list[Sample]:
    return [
        Sample(
            photo=photo,
            group=str(number % 10),
            agreement=0.99 - 0.009 * number,
            trustable=True,
            iou=iou_of_agreeing if number < 50 else 0.5,
        )
        for number in range(100)
    ]


def test_photos_and_scenes_have_the_same_say() -> None:
    with pytest.raises(SystemExit, match="no threshold"):
        fit_samples([*samples(photo=True), *samples(photo=False, iou_of_agreeing=0.5)])
    fitted = fit_samples([*samples(photo=True), *samples(photo=False)])
    assert fitted.curve[1] < 0
    assert "100 photos, 50.0% of them good" in fitted.summary
    assert "100 scenes, 50.0% of them good" in fitted.summary


def test_a_sample_with_another_difficulty_does_not_count_as_trusted() -> None:
    every = [*samples(photo=True), *samples(photo=False)]
    wrong = Sample(photo=True, group="x", agreement=1.0, trustable=False, iou=0.1)
    assert fit_samples([*every, *[wrong] * 20]).trusted > 0


def test_the_written_file_holds_the_numbers() -> None:
    fitted = fit_samples([*samples(photo=True), *samples(photo=False)])
    namespace: dict[str, object] = {}
    exec(written(fitted), namespace)
    assert (namespace["OFFSET"], namespace["SLOPE"]) == pytest.approx(tuple(fitted.curve), abs=1e-3)
    assert namespace["TRUSTED"] == pytest.approx(fitted.trusted, abs=1e-3)


def test_two_photos_of_a_product_are_one_group() -> None:
    assert product_of(Path("with_mask/syn_GT01.png")) == product_of(Path("with_mask/am_GT01.jpg")) == "GT01"
