"""Sessions that were ended before their tokens expire, as the service numbers them.

The gateway follows them on the stream that it watches. Whenever it opens that stream, it first lists those that it
has not read, by number; until then, no token can be checked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.key_sessions import KEY_SESSION_PREFIX
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.auth.jwt import Claims, TokenUncheckable
from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

_PRUNE_EVERY_S = timedelta(hours=1).total_seconds()


class RevocationsUnknown(TokenUncheckable):
    """The revocations have not been read since the gateway connected, so no token can be trusted."""

    code = "revocations_unknown"


class RevocationSource(Protocol):
    """The service, as far as revocations are concerned."""

    async def list_revocations(self, after: int) -> pb.ListRevocationsResponse:
        """Return a page of the revocations after a number."""
        ...


class Revocations:
    """The revocations in force. A check is a look into memory: it is made for every request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known = asyncio.Event()
        self._epoch = ""
        self._number = 0
        self._of_session: dict[str, datetime] = {}
        """When the last token of a revoked session expires, by its ``sid`` or ``jti``."""
        self._of_user: dict[str, tuple[datetime, datetime]] = {}
        """Until when tokens of a user were issued that are rejected, and when the last of them expires."""
        self._listener: Callable[[], object] = lambda: None
        self._prune_at = clock.monotonic() + _PRUNE_EVERY_S

    @property
    def known(self) -> bool:
        """Whether the list has been read since the stream was opened."""
        return self._known.is_set()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call this after every revocation: it closes connections."""
        self._listener = listener

    async def until_known(self, timeout: float) -> bool:
        """Return whether the list has been read, within ``timeout`` seconds at most."""
        if not self._known.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._known.wait()
            except TimeoutError:
                return False
        return True

    def covers(self, *, user_id: str, session_ids: Iterable[str], issued_at: datetime | None) -> bool:
        """Return whether a token was revoked. One without a time of issue counts as issued before.

        The issuer's clock may be ahead by `CLOCK_SKEW`. The sessions of a user's API keys end with their key only.
        """
        ids = tuple(session_ids)
        if any(each in self._of_session for each in ids):
            return True
        if any(each.startswith(KEY_SESSION_PREFIX) for each in ids):
            return False
        of_user = self._of_user.get(user_id)
        return of_user is not None and (issued_at is None or issued_at <= of_user[0] + CLOCK_SKEW)

    def revoked(self, claims: Claims) -> bool:
        """Return whether the session that a token belongs to was revoked."""
        return self.covers(user_id=claims.subject, session_ids=claims.session_ids, issued_at=claims.issued_at)

    async def catch_up(self, source: RevocationSource) -> None:
        """Read the revocations since the last call; no token can be checked until it is done.

        Raises:
            ServiceError: the service could not be asked; ask again.

        """
        self._known.clear()
        more = True
        while more:
            page = await source.list_revocations(self._number)
            if page.head < self._number or (self._number and page.epoch != self._epoch):
                log.warning("the database was restored; reading all revocations again")
                self._number = 0
                continue
            self._epoch = page.epoch
            for each in page.revocations:
                self._number = each.number
            self.apply(page.revocations)
            more = bool(page.revocations) and self._number < page.head
        self._known.set()

    def take(self, revocation: pb.Revocation) -> bool:
        """Put a revocation of the stream in force; return False if one before it was missed: `catch_up` then."""
        self.apply([revocation])
        if revocation.number > self._number + 1:
            return False
        self._number = max(self._number, revocation.number)
        return True

    def apply(self, revocations: Sequence[pb.Revocation]) -> None:
        """Put revocations in force, whichever their numbers."""
        for each in revocations:
            expires_at = each.expires_at.ToDatetime(UTC)
            if each.session_id:
                self._of_session[each.session_id] = max(expires_at, self._of_session.get(each.session_id, expires_at))
            else:
                revoked_at = each.revoked_at.ToDatetime(UTC)
                earlier = self._of_user.get(each.user_id, (revoked_at, expires_at))
                self._of_user[each.user_id] = max(earlier[0], revoked_at), max(earlier[1], expires_at)
        if revocations:
            self._prune()
            self._listener()

    def _prune(self) -> None:
        """Drop those whose tokens have all expired, now and then."""
        if self._clock.monotonic() < self._prune_at:
            return
        self._prune_at = self._clock.monotonic() + _PRUNE_EVERY_S
        before = self._clock.now() - CLOCK_SKEW
        self._of_session = {name: end for name, end in self._of_session.items() if end >= before}
        self._of_user = {name: ends for name, ends in self._of_user.items() if ends[1] >= before}
