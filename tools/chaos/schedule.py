"""Which fault happens when: a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """A fault of one part of the stack."""

    KILL = "kill"
    """SIGKILL; started again after ``seconds``."""
    FREEZE = "freeze"
    """SIGSTOP; SIGCONT after ``seconds``."""
    STOP = "stop"
    """An orderly end; started again after ``seconds``."""
    CUT = "cut"
    """All connections are reset, and new ones are refused for ``seconds``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: ``pause`` seconds after the end of the one before, lasting ``seconds``."""

    pause: float
    fault: Fault
    target: str
    seconds: float

    def __str__(self) -> str:
        return f"after {self.pause:.2f} s: {self.fault} {self.target} for {self.seconds:.2f} s"


_SQLITE = (
    (Fault.KILL, "service", 1.0), (Fault.FREEZE, "service", 5.0), (Fault.STOP, "service", 0.5),
    (Fault.KILL, "gateway", 1.0), (Fault.FREEZE, "gateway", 3.0),
    (Fault.KILL, "pool", 0.0), (Fault.FREEZE, "pool", 3.0),
    (Fault.CUT, "grpc", 0.5), (Fault.CUT, "upstream", 2.0), (Fault.CUT, "http", 0.5),
)  # fmt: skip
_POSTGRES = (
    *_SQLITE,
    (Fault.KILL, "worker", 8.0), (Fault.FREEZE, "worker", 8.0), (Fault.STOP, "worker", 0.5),
    (Fault.KILL, "postgres", 2.0), (Fault.STOP, "postgres", 2.0),
)  # fmt: skip
"""Faults with their targets and the most seconds that each lasts."""


def make_schedule(seed: int, seconds: float, *, postgres: bool) -> list[Step]:
    """Return faults whose pauses and lengths add up to ``seconds``, at least one."""
    rng = random.Random(f"schedule {seed}")
    steps: list[Step] = []
    elapsed = 0.0
    while elapsed < seconds or not steps:
        fault, target, longest = rng.choice(_POSTGRES if postgres else _SQLITE)
        steps.append(Step(rng.uniform(0.2, 1.5), fault, target, rng.uniform(0, longest)))
        elapsed += steps[-1].pause + steps[-1].seconds
    return steps
