"""Restart policy of child processes: pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Doubling waits; they start from the first again after a child has lived long enough."""

    base: float = 0.2
    """First wait in seconds."""
    cap: float = 5.0
    """Longest wait in seconds."""
    quick: float = 10.0
    """A life shorter than this, in seconds, is a quick death."""
    give_up_after: int = 5
    """Quick deaths in a row that are enough."""


@dataclass(frozen=True, slots=True)
class RestartState:
    """How often a child died quickly, in a row."""

    quick_deaths: int = 0

    def after_death(self, policy: RestartPolicy, lived: float) -> tuple[RestartState, float | None]:
        """Return the next state, and the seconds to wait before the restart; None to give up.

        ``lived`` is how many seconds the child lived.
        """
        deaths = self.quick_deaths + 1 if lived < policy.quick else 1
        state = RestartState(deaths)
        if lived < policy.quick and deaths >= policy.give_up_after:
            return state, None
        return state, min(policy.cap, policy.base * 2.0 ** (deaths - 1))
