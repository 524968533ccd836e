"""Follows the revocations of all processes, and puts each in force in this one."""

from __future__ import annotations

import asyncio
import logging

from generator_service.domain.revocation import NewRevocation, Revocation, RevocationList
from generator_service.notifier.contract import Notifier, Topic
from generator_service.store.revocation_contract import RevocationStore
from generator_service.watch.watchers import Watchers

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How late a revocation of another process is known whose hint was lost."""
PAUSE_SECONDS = 0.1
"""Between two reads: hints are about the whole log, and most are not about revocations."""
PAGE = 1000


class RevocationTail:
    """Reads new revocations on every hint of another process, and twice a second without one.

    Watchers of all users receive each, in the order of the numbers; watchers of a revoked session are ended.
    """

    def __init__(self, store: RevocationStore, wake: Notifier, watchers: Watchers) -> None:
        self.revoked = RevocationList()
        """The revocations in force."""
        self._store = store
        self._wake = wake
        self._watchers = watchers
        self._number = 0
        self._epoch = ""
        self._reading = asyncio.Lock()

    async def revoke(self, new: NewRevocation) -> Revocation:
        """Record a revocation; it is in force in this process on return, and within a second in all others."""
        recorded = await self._store.revoke(new)
        await self.catch_up()
        self._wake.notify(Topic.LOG)
        return recorded

    async def run(self) -> None:
        """Follow the revocations until cancelled."""
        signal = self._wake.subscribe(Topic.REMOTE_LOG)
        try:
            while True:
                try:
                    await self.catch_up()
                except Exception:
                    # The database is unavailable; the next poll tries again from the same number.
                    logger.exception("reading the revocations failed; trying again", extra={"number": self._number})
                await asyncio.sleep(PAUSE_SECONDS)
                await signal.wait(POLL_SECONDS - PAUSE_SECONDS)
        finally:
            signal.close()

    async def catch_up(self) -> None:
        """Apply the revocations recorded since the last call."""
        async with self._reading:
            more = True
            while more:
                page = await self._store.revocations_after(self._number, limit=PAGE)
                if page.head < self._number or (self._number and page.epoch != self._epoch):
                    logger.warning("the database was restored; reading all revocations again")
                    self._number = 0
                    continue
                self._epoch = page.epoch
                more = len(page.revocations) == PAGE
                if page.revocations:
                    self._number = page.revocations[-1].number
                    self.revoked.add(page.revocations)
                    self._watchers.push_revocations(page.revocations)
                    self._watchers.end_revoked(self.revoked.covers)
