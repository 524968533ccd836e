"""How long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: anything between nothing and the exponential bound.

    Full jitter spreads clients that lost the same server better than any other
    (after "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    base: float = 0.1
    """Bound of the first wait in seconds."""
    cap: float = 10.0
    """Largest wait in seconds."""
    factor: float = 2.0
    random: random.Random = field(default_factory=random.SystemRandom, repr=False)

    def bound(self, failures: int) -> float:
        """Return the longest possible wait in seconds after ``failures`` failures in a row (from 1)."""
        # The exponent is bounded so that a large count can't overflow; the cap is reached long before.
        return min(self.cap, self.base * self.factor ** min(max(failures, 1) - 1, 64))

    def delay(self, failures: int) -> float:
        """Return how many seconds to wait after ``failures`` failures in a row (from 1)."""
        return self.bound(failures) * self.random.random()
