from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.soak.growth import growth


def test_filling_caches_are_no_growth() -> None:
    samples = [*range(40), *[40.0] * 60]
    assert growth(samples).within(share=0.0, slack=0.0)


def test_a_leak_is_growth() -> None:
    samples = [1000.0 + number for number in range(100)]
    assert not growth(samples).within(share=0.02, slack=10.0)
    assert growth(samples).within(share=0.03, slack=0.0)


@given(st.lists(st.floats(0, 1e6), min_size=10, max_size=50))
def test_what_shrinks_never_grows(samples: list[float]) -> None:
    assert growth(sorted(samples, reverse=True)).within(share=0.0, slack=0.0)


def test_too_few_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="run for longer"):
        growth([1.0, 2.0])
