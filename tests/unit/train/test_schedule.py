from __future__ import annotations

import pytest

from tools.train.schedule import average_decay, progress, rate_factor


def test_the_rate_rises_shortly_then_falls_to_almost_nothing() -> None:
    rates = [rate_factor(step / 3000, step) for step in range(3001)]
    peak = rates.index(max(rates))
    assert 100 <= peak <= 200
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_a_slow_first_step_leaves_the_rise_as_it_is() -> None:
    assert rate_factor(0.05, 1) < 0.02


def test_the_average_follows_closely_at_first_and_slowly_later() -> None:
    assert average_decay(1) < 0.1
    assert average_decay(10**6) == pytest.approx(0.9985)


def test_progress_is_that_of_the_limit_reached_first() -> None:
    assert progress(seconds=50, step=10, limit_seconds=100, limit_steps=None) == 0.5
    assert progress(seconds=50, step=90, limit_seconds=100, limit_steps=100) == 0.9
