from __future__ import annotations

import numpy as np
import pytest

from tools.calibrate import composed, cross_validated, fit, threshold_of_trust


def test_a_logistic_curve_is_found_again() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-4.6, 0, 4000)
    good = (rng.random(4000) < 1 / (1 + np.exp(5 + 2 * x))).astype(np.float64)
    assert fit(x, good) == pytest.approx([-5, -2], abs=0.4)


def test_a_product_is_judged_by_the_others_alone() -> None:
    x = np.array([-4.0, -3.0, -2.0, -1.0] * 3)
    products = np.repeat(["one", "two", "three"], 4)
    good = np.array([1.0, 1.0, 0.0, 0.0] * 3)
    before = cross_validated(x, good, products)
    good[:4] = [0.0, 0.0, 1.0, 1.0]
    after = cross_validated(x, good, products)
    assert after[:4] == pytest.approx(before[:4])
    assert after[4:] != pytest.approx(before[4:])


def test_the_threshold_lets_as_many_pass_as_the_precision_allows() -> None:
    odds = np.linspace(1.0, 0.01, 100)
    good = np.ones(100)
    good[[30, 60, 61, 62, 63, 64, 65, 66]] = 0.0
    trusted = threshold_of_trust(odds, good)
    assert np.mean(good[odds >= trusted]) >= 0.95
    assert np.mean(good[odds >= trusted - 0.01]) < 0.95


def test_without_good_results_there_is_no_threshold() -> None:
    with pytest.raises(SystemExit, match="no threshold"):
        threshold_of_trust(np.linspace(0, 1, 5), np.zeros(5))


def test_a_composed_picture_shows_the_product_where_its_alpha_says() -> None:
    rgb = np.full((120, 160, 3), (200, 30, 30), np.uint8)
    alpha = np.zeros((120, 160), np.uint8)
    alpha[30:90, 50:110] = 255
    picture, share = composed(rgb, alpha, np.random.default_rng(3))
    assert picture.shape[:2] == share.shape == (168, 208)
    inside = picture[share > 250].astype(np.float64)
    assert np.abs(inside.mean(axis=0) - (200, 30, 30)).max() < 12
