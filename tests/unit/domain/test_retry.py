"""Retry delays stay within their bounds, and attempts are limited."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain import transitions
from generator_service.domain.retry import RetryPolicy
from tests.support.clock import NOON
from tests.support.store import failure, new_task

SPANS = st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1))


@given(
    base=SPANS,
    cap=SPANS,
    factor=st.floats(1, 10),
    attempt=st.integers(1, 10_000),
    hint=st.none() | st.timedeltas(timedelta(), timedelta(days=1)),
    seed=st.integers(),
)
def test_a_delay_is_between_half_and_all_of_the_backoff_and_no_shorter_than_the_hint(
    base: timedelta, cap: timedelta, factor: float, attempt: int, hint: timedelta | None, seed: int
) -> None:
    policy = RetryPolicy(base=base, factor=factor, cap=cap, random=random.Random(seed))
    full = min(cap.total_seconds(), base.total_seconds() * factor ** min(attempt - 1, 32))
    delay = policy.delay(attempt, hint).total_seconds()
    least, most = max(full / 2, hint.total_seconds() if hint else 0), max(full, hint.total_seconds() if hint else 0)
    assert least - 2e-6 <= delay <= most + 2e-6


def test_without_jitter_delays_double_up_to_the_cap() -> None:
    class Last(random.Random):
        def random(self) -> float:
            return 1.0

    policy = RetryPolicy(base=timedelta(seconds=1), cap=timedelta(seconds=10), random=Last())
    assert [policy.delay(attempt).total_seconds() for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_a_batch_that_failed_together_is_spread() -> None:
    policy = RetryPolicy(random=random.Random(1))
    assert len({policy.delay(5) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("attempt", "own", "engines", "again"),
    [(1, 3, None, True), (2, 3, None, True), (3, 3, None, False), (1, 3, 1, False), (2, 3, 9, True), (3, 3, 9, False)],
)
def test_the_smaller_number_of_attempts_counts(attempt: int, own: int, engines: int | None, again: bool) -> None:
    task = replace(transitions.create(new_task(max_attempts=own), task_id=1, at=NOON), attempt=9, failures=attempt - 1)
    assert (RetryPolicy().next_delay(task, failure(max_attempts=engines)) is not None) == again
    assert RetryPolicy().next_delay(task, failure(retryable=False, max_attempts=engines)) is None


def test_the_engines_hint_is_kept_to() -> None:
    task = replace(transitions.create(new_task(), task_id=1, at=NOON), attempt=1)
    hint = timedelta(minutes=10)
    assert RetryPolicy().next_delay(task, failure(retry_after=hint)) == hint
