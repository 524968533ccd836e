"""The compliance report that goes with every result. `generator_service.domain.compliance` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How one check came out."""

    PASSED = "passed"
    WARNED = "warned"
    """A person should look: it breaks no rule of the market, but may not be what was wanted."""
    FAILED = "failed"
    """It breaks a rule of the market, or what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a result. What ``value`` counts goes with the name; protos/whitebg/v1/task.proto lists them."""

    name: str
    verdict: Verdict
    value: float | None = None
    limit: str = ""
    """What is asked for, for a person; empty where anything goes."""
    message: str = ""
    """What is wrong and what to do about it; empty if passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished file measured against its preset's rule."""

    preset: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.verdict is not Verdict.FAILED for check in self.checks)

    def failed(self, *names: str) -> bool:
        """Tell whether one of these checks failed."""
        return any(check.name in names and check.verdict is Verdict.FAILED for check in self.checks)
