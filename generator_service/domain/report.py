"""The compliance report of a result, created by `generator_service.domain.compliance`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The outcome of one check."""

    PASSED = "passed"
    WARNED = "warned"
    """Needs review: it breaks no rule of the market, but may be unintended."""
    FAILED = "failed"
    """It breaks a rule of the market or of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a result. The unit of ``value`` depends on the name; protos/whitebg/v1/task.proto lists them."""

    name: str
    verdict: Verdict
    value: float | None = None
    limit: str = ""
    """The requirement, in words; empty without one."""
    message: str = ""
    """The problem and its remedy; empty if passed."""


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
        """Return whether one of these checks failed."""
        return any(check.name in names and check.verdict is Verdict.FAILED for check in self.checks)


def check_of(
    name: str, value: float | None, limit: str, *, good: bool, message: str, otherwise: Verdict = Verdict.FAILED
) -> Check:
    """Return the outcome of a check: passed if ``good``, else ``otherwise`` with the message."""
    value = None if value is None else round(value, 4)
    if good:
        return Check(name=name, verdict=Verdict.PASSED, value=value, limit=limit)
    return Check(name=name, verdict=otherwise, value=value, limit=limit, message=message)
