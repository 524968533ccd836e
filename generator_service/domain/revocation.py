"""Revocations of sessions whose tokens have not expired yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME

KEPT = MAX_TOKEN_LIFETIME + CLOCK_SKEW
"""How long after its time a revocation is needed at most: no token that it applies to is accepted any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session, as identified by the claims of a token."""

    user_id: str
    ids: frozenset[str] = frozenset()
    """The ``sid`` and ``jti`` claims that are present."""
    issued_at: datetime | None = None
    """In UTC; None counts as issued before every revocation."""
    accepted_until: datetime | None = None
    """In UTC; from then on its token or API key is rejected; None: never."""

    def expired(self, now: datetime) -> bool:
        """Return whether its token or API key is rejected by now, for its age alone."""
        return self.accepted_until is not None and now >= self.accepted_until


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevocation:
    """A revocation to be recorded, of one session or (``session_id`` empty) of all sessions of a user."""

    session_id: str = ""
    user_id: str = ""
    revoked_at: datetime
    """Tokens of the user issued until then are rejected."""
    expires_at: datetime
    """Time by which all affected tokens have expired."""

    @property
    def complete(self) -> bool:
        """Whether the revocation lasts as long as any token that it applies to."""
        return self.expires_at >= self.revoked_at + KEPT


def revocation_of(*, at: datetime, session_id: str = "", user_id: str = "") -> NewRevocation:
    """Return the revocation of a session or user that lasts as long as any of the tokens issued until then."""
    return NewRevocation(session_id=session_id, user_id=user_id, revoked_at=at, expires_at=at + KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation(NewRevocation):
    """A recorded revocation. Numbers have no gaps and follow the order of the commits."""

    number: int


class RevocationList:
    """The revocations in force, checked at every call. ``number`` is the highest that was added."""

    def __init__(self) -> None:
        self.number = 0
        self._of_session: dict[str, Revocation] = {}
        self._of_user: dict[str, Revocation] = {}

    def __len__(self) -> int:
        return len(self._of_session) + len(self._of_user)

    def add(self, revocations: Iterable[Revocation]) -> None:
        """Add revocations; known ones change nothing. Of several for the same name, the longest lasts."""
        for each in revocations:
            self.number = max(self.number, each.number)
            kept, name = (self._of_session, each.session_id) if each.session_id else (self._of_user, each.user_id)
            earlier = kept.get(name, each)
            kept[name] = replace(
                each,
                revoked_at=max(earlier.revoked_at, each.revoked_at),
                expires_at=max(earlier.expires_at, each.expires_at),
            )

    def covers(self, session: Session) -> bool:
        """Return whether a session was revoked.

        The issue times of tokens come from other hosts' clocks, which may be ahead by `CLOCK_SKEW`.
        """
        if not self._of_session.keys().isdisjoint(session.ids):
            return True
        of_user = self._of_user.get(session.user_id)
        return of_user is not None and (
            session.issued_at is None or session.issued_at <= of_user.revoked_at + CLOCK_SKEW
        )

    def forget(self, before: datetime) -> None:
        """Drop revocations whose tokens had all expired before a time."""
        for kept in (self._of_session, self._of_user):
            for name in [name for name, each in kept.items() if each.expires_at < before]:
                del kept[name]
