"""How long a session may go on: until its token expires, or its client's heartbeat stops. Pure."""

from __future__ import annotations

from ws_gateway.protocol.close_codes import Close, CloseCode

_SAME_END = 0.5
"""Seconds within which two ends are those of one token: tokens end at whole seconds, and clocks differ by less."""


class Lifetime:
    """The ends of one session that time brings. Times are seconds of one monotonic clock; None means never."""

    def __init__(
        self, *, now: float, expires_at: float | None, leeway: float, warning: float, heartbeat_timeout: float
    ) -> None:
        self._began_at = now
        """When the present token was shown."""
        self._expires_at = expires_at
        self._leeway = leeway
        """Seconds after its token's end that the session goes on: the clock that set it may differ."""
        self._warning = warning
        self._heartbeat_timeout = heartbeat_timeout
        self._warned = False
        self._beats = False
        """Whether the client keeps a heartbeat: only such a one is expected to go on with it."""
        self._heard = False
        """Whether a frame came since `end` was last asked for."""
        self._heard_at: float | None = None

    def renew(self, now: float, expires_at: float) -> None:
        """Go on until a new token expires. The same one once more changes nothing, so its client is not asked again."""
        if self._expires_at is not None and abs(expires_at - self._expires_at) < _SAME_END:
            return
        self._began_at, self._expires_at, self._warned = now, expires_at, False

    def heard(self) -> None:
        """Note any frame of the client."""
        self._heard = True

    def beat(self) -> None:
        """Note a ping or pong: from now on the client keeps a heartbeat."""
        self._beats = True

    def end(self, now: float) -> Close | None:
        """Return how the session ends now; None if it goes on."""
        if self._heard and self._beats:
            self._heard_at = now
        self._heard = False
        if self.ends_at is not None and now >= self.ends_at:
            return Close(CloseCode.TOKEN_EXPIRED, "the token expired; get a new one, then connect again")
        if self.silent_at is not None and now >= self.silent_at:
            return Close(CloseCode.SILENT, "no ping, nor anything else, for 60 s")
        return None

    def warn(self, now: float) -> float | None:
        """Return the seconds until the token expires, once, when the client is to be warned."""
        if self._expires_at is None or self.warns_at is None or now < self.warns_at:
            return None
        self._warned = True
        return self._expires_at - now

    @property
    def ends_at(self) -> float | None:
        """When the session ends with its token: the token's end and the leeway."""
        return None if self._expires_at is None else self._expires_at + self._leeway

    @property
    def silent_at(self) -> float | None:
        """When the client counts as gone, if it stays silent."""
        return None if self._heard_at is None else self._heard_at + self._heartbeat_timeout

    @property
    def warns_at(self) -> float | None:
        """When the client is to be warned that its token expires.

        Never in the first quarter of its lifetime, so that issuers of short-lived tokens are not asked again at once.
        """
        if self._expires_at is None or self._warned:
            return None
        return max(self._expires_at - self._warning, self._began_at + (self._expires_at - self._began_at) / 4)
