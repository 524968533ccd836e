"""Waits between tries grow up to a cap and are spread over the whole range."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitebg_process.backoff import Backoff


class Highest(Random):
    def random(self) -> float:
        return 1.0


@given(st.integers(min_value=1, max_value=10**9))
def test_backoff_stays_within_its_bounds(failures: int) -> None:
    backoff = Backoff()
    assert 0 <= backoff.delay(failures) <= backoff.bound(failures) <= 10.0
    assert backoff.bound(1) == pytest.approx(0.1)
    assert backoff.bound(failures) <= backoff.bound(failures + 1)


def test_backoff_doubles_up_to_its_cap() -> None:
    backoff = Backoff(base=0.5, cap=3.0, random=Highest())
    assert [backoff.delay(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_backoff_has_full_jitter() -> None:
    spread = Backoff(base=1.0, cap=1.0, random=Random(1))
    waits = [spread.delay(1) for _ in range(100)]
    assert min(waits) < 0.1 < 0.9 < max(waits) <= 1.0
