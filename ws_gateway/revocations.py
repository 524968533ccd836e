"""Sessions that were ended before their tokens expire."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from ws_gateway.clock import Clock


class Revocations:
    """What was revoked: single tokens by their ``jti``, or all that a user was given until then.

    Remembered for ``keep``, which must be longer than any token lives, and for the latest ``capacity`` of each kind.
    Held by one process: with several gateways, tell each.
    """

    def __init__(self, *, clock: Clock, keep: timedelta, capacity: int = 100_000) -> None:
        self._clock = clock
        self._keep = keep
        self._capacity = capacity
        self._tokens: OrderedDict[str, datetime] = OrderedDict()
        self._users: OrderedDict[str, datetime] = OrderedDict()

    def revoke_token(self, token_id: str) -> None:
        """Refuse the tokens with this ``jti`` from now on."""
        self._note(self._tokens, token_id)

    def revoke_user(self, user_id: str) -> None:
        """Refuse what the user was given up to now; what is issued later is good."""
        self._note(self._users, user_id)

    def covers(self, *, user_id: str, token_id: str, issued_at: datetime | None) -> bool:
        """Say whether a token was revoked. One that does not say when it was issued counts as issued before."""
        if token_id and token_id in self._tokens:
            return True
        revoked_at = self._users.get(user_id)
        return revoked_at is not None and (issued_at is None or issued_at <= revoked_at)

    def _note(self, entries: OrderedDict[str, datetime], key: str) -> None:
        now = self._clock.now()
        entries[key] = now
        entries.move_to_end(key)
        # The oldest come first.
        while len(entries) > self._capacity or next(iter(entries.values())) + self._keep < now:
            entries.popitem(last=False)
