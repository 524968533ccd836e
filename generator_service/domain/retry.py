"""Whether and when a failed attempt is retried."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

from generator_service.domain.errors import EngineError
from generator_service.domain.task import Task


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with equal jitter: half of the delay is fixed, half is random.

    The fixed half avoids calling a failing upstream again at once; the random half spreads a batch that failed
    together (after "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). An engine's own hint is
    a lower bound.
    """

    base: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    cap: timedelta = timedelta(seconds=60)
    random: random.Random = field(default_factory=random.SystemRandom, repr=False)

    def delay(self, attempt: int, hint: timedelta | None = None) -> timedelta:
        """Return how long to wait after failed attempt number ``attempt`` (from 1)."""
        # The exponent is bounded so that a large attempt number can't overflow; the cap is reached long before.
        grown = self.base.total_seconds() * self.factor ** min(attempt - 1, 32)
        full = timedelta(seconds=min(self.cap.total_seconds(), grown))
        wait = full / 2 + full / 2 * self.random.random()
        return max(wait, hint or timedelta(0))

    def next_delay(self, task: Task, failure: EngineError) -> timedelta | None:
        """Return the wait before the next attempt of a task whose current one failed; None if it was the last.

        Only failed attempts count; snoozed ones do not.
        """
        allowed = min(task.max_attempts, failure.max_attempts or task.max_attempts)
        failures = task.failures + 1
        if not failure.retryable or failures >= allowed:
            return None
        return self.delay(failures, failure.retry_after)
