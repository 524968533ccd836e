"""Findings about the making of the neural engine's results."""

from __future__ import annotations

from generator_service.domain.finding import Finding
from generator_service.engines.base import ProgressReport


def fallback(reason: str) -> Finding:
    """Return the finding for a picture made by the local engine as a fallback."""
    message = f"Made by the local engine, because the network could not be used: {reason}"
    return Finding(code="engine_fallback", message=message)


def unverified() -> Finding:
    """Return the finding for a picture made with a network of unknown weights."""
    message = "The network's weights are not known by their checksum, so their quality and licence are unknown."
    return Finding(code="unverified_weights", message=message)


def rising(report: ProgressReport) -> ProgressReport:
    """Return a report whose percentage never falls, even if a picture is made a second time from the start."""
    highest = 0

    def rise(percent: int, stage: str) -> None:
        nonlocal highest
        highest = max(highest, percent)
        report(highest, stage)

    return rise
