"""Exponential backoff with full jitter (after "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)."""

from __future__ import annotations

from random import Random


class Backoff:
    """Waits of a random part of ``base`` × 2ⁿ seconds, of ``cap`` at most."""

    def __init__(self, *, base: float, cap: float, random: Random) -> None:
        self._base = base
        self._cap = cap
        self._random = random
        self._failures = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        # Bounded so that a large exponent can't overflow; the cap is reached long before.
        full = min(self._cap, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return full * self._random.random()

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0
