"""The API keys in force, held in memory and read again every second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from generator_service.domain.api_key import ApiKey, parse
from generator_service.domain.clock import Clock
from generator_service.domain.errors import Unauthenticated
from generator_service.domain.revocation import Session
from generator_service.store.contract import TaskStore
from whitebg_process.key_sessions import KEY_SESSION_PREFIX

RECORD_EVERY = timedelta(minutes=1)
"""How often the time of a key's latest use is recorded."""


class ApiKeyChecker:
    """Checks API keys. A new key is known to every service within a second, a revoked one rejected."""

    def __init__(
        self, store: TaskStore, clock: Clock, *, end_watches: Callable[[Callable[[Session], bool]], object]
    ) -> None:
        """``end_watches`` ends the open watches of the sessions that a function selects."""
        self._end_watches = end_watches
        self._store = store
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._used: dict[str, datetime] = {}
        """Uses that are not recorded yet."""

    async def __call__(self) -> None:
        """Read the keys again, end watches of revoked ones, and record uses; run by periodic maintenance."""
        await self.load()
        self._end_watches(self._ended)
        now = self._clock.now()
        due = {key_id: at for key_id, at in self._used.items() if self._is_due(key_id, now)}
        if due:
            await self._store.admin.record_key_use(due)
            self._used = {key_id: at for key_id, at in self._used.items() if due.get(key_id) != at}

    def _ended(self, session: Session) -> bool:
        """Return whether a session is that of a key that was revoked."""
        ids = (each.removeprefix(KEY_SESSION_PREFIX) for each in session.ids if each.startswith(KEY_SESSION_PREFIX))
        return any((key := self._keys.get(each)) is None or key.revoked_at is not None for each in ids)

    def _is_due(self, key_id: str, now: datetime) -> bool:
        key = self._keys.get(key_id)
        return key is not None and (key.last_used_at is None or now - key.last_used_at >= RECORD_EVERY)

    async def load(self) -> None:
        """Read the keys."""
        self._keys = {key.key_id: key for key in await self._store.admin.api_keys()}

    def check(self, text: str) -> ApiKey:
        """Return the key that a caller shows.

        Raises:
            Unauthenticated: it is no key, or is unknown, revoked or expired.

        """
        parts = parse(text)
        key = None if parts is None else self._keys.get(parts[0])
        # One message for all that is wrong with an unproven secret: it reveals nothing about stored keys.
        if parts is None or key is None or not key.matches(parts[1]):
            raise Unauthenticated("the API key is not known; check that it was copied completely")
        now = self._clock.now()
        if not key.usable(now):
            state = "expired" if key.revoked_at is None else "was revoked"
            raise Unauthenticated(f"the API key {key.name!r} {state}; ask an operator for another")
        self._used[key.key_id] = now
        return key
