"""Ended sessions; `tests/contract/store/test_revocations.py` holds each backend to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from generator_service.domain.revocation import NewRevocation, Revocation


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPage:
    """Revocations after a number, lowest first, and the highest number given out (0 for none) at the same moment."""

    revocations: Sequence[Revocation]
    head: int
    epoch: str
    """Of the log; numbers of another epoch mean nothing."""


class RevocationStore(Protocol):
    """Ended sessions, numbered in the order of their commits. No method blocks the event loop."""

    async def revoke(self, new: NewRevocation) -> Revocation:
        """Record an end to sessions and number it. A session that was revoked before keeps it, if it lasts as long."""
        ...

    async def revocations_after(self, number: int, *, limit: int) -> RevocationPage:
        """Read the revocations after a number. A reader that has seen number n has seen every lower one kept."""
        ...

    async def forget_revocations(self, before: datetime) -> int:
        """Delete those whose tokens had all expired before a time, but not the latest; return how many."""
        ...
