"""Whether a quantity that is sampled under steady load grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 0.4
"""Share of the run before which caches and rings fill."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The medians of the first and the last half of a run after its warm-up."""

    before: float
    after: float

    def within(self, *, share: float, slack: float) -> bool:
        """Return whether the growth is at most a share of the first median, or ``slack``, in the quantity's unit."""
        return self.after - self.before <= max(share * self.before, slack)


def growth(samples: Sequence[float]) -> Growth:
    """Compare samples taken at equal intervals, without those of the warm-up; two others at least.

    Raises:
        ValueError: there are too few.

    """
    steady = samples[round(len(samples) * WARM_UP) :]
    if len(steady) < 2:
        raise ValueError(f"{len(samples)} samples are too few to tell; run for longer")
    half = len(steady) // 2
    return Growth(statistics.median(steady[:half]), statistics.median(steady[half:]))
