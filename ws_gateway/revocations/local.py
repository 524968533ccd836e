"""Revocations of a gateway that is the only one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ws_gateway.revocations.contract import Revocation
from ws_gateway.revocations.ledger import Ledger


class LocalRevocations:
    """What was revoked here since the start; see `ws_gateway.revocations.contract.Revocations`."""

    known = True

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._listener: Callable[[], int] = int

    def covers(self, *, user_id: str, token_id: str, issued_at: datetime | None) -> bool:
        """Say whether a token was revoked."""
        return self._ledger.covers(user_id=user_id, token_id=token_id, issued_at=issued_at)

    def listen(self, listener: Callable[[], int]) -> None:
        """Have this called after every revocation."""
        self._listener = listener

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke from now on; return how many sockets were closed."""
        self._ledger.note(revocation)
        return self._listener()
