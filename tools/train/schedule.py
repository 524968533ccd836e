"""How the learning rate and the average of the weights develop. Free of torch."""

from __future__ import annotations

import math

_WARM_UP = 150
"""Steps. Not a share of the time, of which the first step takes much: cuDNN then looks for its best algorithms."""
_FLOOR = 0.003
_SLOWEST_AVERAGE = 0.9985


def rate_factor(progress: float, step: int) -> float:
    """Return the share of the full learning rate at ``progress``, 0 to 1: half a cosine.

    It rises to that over the first steps, ``step`` being counted from 0.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, (step + 1) / _WARM_UP) * cosine + _FLOOR


def average_decay(step: int) -> float:
    """Return how much of the average is kept at a step, counted from 1: less at first."""
    return min(_SLOWEST_AVERAGE, step / (step + 20))


def progress(*, seconds: float, step: int, limit_seconds: float, limit_steps: int | None) -> float:
    """Return how far a run is, 0 to 1 or above, by time or by steps, whichever is further."""
    by_time = seconds / limit_seconds
    return by_time if limit_steps is None else max(by_time, step / limit_steps)
