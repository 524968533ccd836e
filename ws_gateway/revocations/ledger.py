"""What one process knows to have been revoked. Pure."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

from ws_gateway.clock import Clock
from ws_gateway.revocations.contract import Kind, Revocation

log = logging.getLogger(__name__)


class Ledger:
    """Revocations with their times; kept for ``keep``, which must be longer than any token lives.

    The latest ``capacity`` of them: that many can't be had by accident, so passing it is logged.
    """

    def __init__(self, *, clock: Clock, keep: timedelta, capacity: int = 100_000) -> None:
        self.keep = keep
        self.capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[Revocation, datetime] = OrderedDict()
        self._overflowed = False

    @property
    def oldest_kept(self) -> datetime:
        """Revocations before this are forgotten."""
        return self._clock.now() - self.keep

    def note(self, revocation: Revocation, at: datetime | None = None) -> bool:
        """Remember a revocation of now, or of another time; say whether that is news."""
        at = at or self._clock.now()
        if self._entries.get(revocation, datetime.min.replace(tzinfo=at.tzinfo)) >= at:
            return False
        self._entries[revocation] = at
        self._entries.move_to_end(revocation)
        self._forget()
        return revocation in self._entries

    def covers(self, *, user_id: str, token_id: str, issued_at: datetime | None) -> bool:
        """Say whether a token was revoked. One that does not say when it was issued counts as issued before."""
        if token_id and Revocation(Kind.TOKEN, token_id) in self._entries:
            return True
        revoked_at = self._entries.get(Revocation(Kind.USER, user_id))
        return revoked_at is not None and (issued_at is None or issued_at <= revoked_at)

    def entries(self) -> Mapping[Revocation, datetime]:
        """Return all of them with their times."""
        self._forget()
        return self._entries

    def _forget(self) -> None:
        # About the oldest come first: news of others may be a moment older than the latest.
        while self._entries and next(iter(self._entries.values())) < self.oldest_kept:
            self._entries.popitem(last=False)
        while len(self._entries) > self.capacity:
            self._entries.popitem(last=False)
            if not self._overflowed:
                log.warning("more than %d sessions are revoked; the oldest are good again", self.capacity)
            self._overflowed = True
