"""How far a client is behind with reading, and when that has lasted too long. Pure."""

from __future__ import annotations


class Backlog:
    """Judges one client. Times are seconds of one monotonic clock.

    A client that receives live events and is more than ``limit`` bytes behind for over ``patience`` seconds is too
    slow. While it receives a sync that it requested, any amount may wait, as long as it reads some of it every
    ``stall`` seconds: the duration depends on its bandwidth, not on its behaviour.
    """

    def __init__(self, *, limit: int, patience: float, stall: float) -> None:
        self._limit = limit
        self._patience = patience
        self._stall = stall
        self._syncing = True
        self._over_since: float | None = None
        self._taken = 0
        self._taken_at: float | None = None

    def sync_began(self) -> None:
        """Let what follows not count, until the client is up to date again."""
        self._syncing = True
        self._over_since = self._taken_at = None

    def observe(self, now: float, *, waiting: int, taken: int, live: bool) -> str | None:
        """Look at the client; return why it is too slow, or None if it is not.

        ``waiting`` is the bytes that it has not taken yet, ``taken`` all that it ever took, ``live`` whether the
        history that it asked for was read to its end.
        """
        if taken != self._taken or self._taken_at is None:
            self._taken, self._taken_at = taken, now
        if waiting <= self._limit:
            self._over_since = None
            self._syncing = self._syncing and not live
            return None
        if self._over_since is None:
            self._over_since = now
        if self._syncing:
            if now - self._taken_at > self._stall:
                return f"took nothing of {waiting} bytes for {self._stall:.0f} s; read faster, or resume later"
        elif now - self._over_since > self._patience:
            return f"over {self._limit // 1024} KiB behind for {self._patience:.0f} s; read faster, or resume later"
        return None
