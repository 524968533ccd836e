"""How long a token may live, and how far the clocks that wrote its times may differ."""

from __future__ import annotations

from datetime import datetime, timedelta

MAX_TOKEN_LIFETIME = timedelta(days=366)
"""Longest lifetime of a token that is accepted, from its ``iat``; revocations are kept as long, so none is outlived."""
CLOCK_SKEW = timedelta(seconds=60)
"""How far the clocks of two hosts may differ: times that another host set are compared with this allowance."""


def outlives_revocations(*, expires_at: datetime, issued_at: datetime | None, now: datetime) -> bool:
    """Return whether a token lives longer than the revocation of its session would be kept.

    A token without a time of issue is counted from ``now``; so is one whose clock is further ahead than `CLOCK_SKEW`.
    """
    began = issued_at if issued_at is not None and issued_at <= now + CLOCK_SKEW else now
    return expires_at - began > MAX_TOKEN_LIFETIME
