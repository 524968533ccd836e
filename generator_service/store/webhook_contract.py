"""Webhook endpoints and dead letters; `tests/contract/store/test_webhooks.py` holds each backend to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

from generator_service.domain.webhook import DeadLetter, Endpoint, Message


class WebhookStore(Protocol):
    """Endpoints, and how far each has come. Changes of a claimed endpoint return False if the claim is lost."""

    async def create(self, endpoint: Endpoint) -> Endpoint:
        """Store a new endpoint, which begins at the present end of the log; return it with its position.

        Raises:
            InvalidRequest: there are too many already.

        """
        ...

    async def remove(self, endpoint_id: str) -> None:
        """Delete an endpoint with its dead letters.

        Raises:
            WebhookNotFound: there is none.

        """
        ...

    async def rotate(self, endpoint_id: str, secret: str, *, keep: timedelta) -> Endpoint:
        """Give an endpoint a new secret; those before sign along for ``keep``. Its claim is released.

        Raises:
            InvalidRequest: too many secrets would be valid.
            WebhookNotFound: there is none.

        """
        ...

    async def endpoints(self) -> Sequence[Endpoint]:
        """Read all endpoints, oldest first."""
        ...

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Sequence[Endpoint]:
        """Claim endpoints that have something to deliver now and that no other process delivers to, in turns."""
        ...

    async def renew(self, owner: str, endpoint_ids: Collection[str], *, lease_for: timedelta) -> Collection[str]:
        """Prolong claims; return the endpoints whose claims are lost."""
        ...

    async def advance(self, endpoint_id: str, owner: str, position: int, *, delivered: bool) -> bool:
        """Record that everything up to a revision is done; ``delivered`` ends a row of failures."""
        ...

    async def fail(self, endpoint_id: str, owner: str, *, failures: int, wait: timedelta, error: str) -> bool:
        """Record a failed attempt, and release the claim until the next one."""
        ...

    async def bury(self, endpoint_id: str, owner: str, message: Message, *, attempts: int, error: str) -> bool:
        """Record a message as a dead letter, and go on after it."""
        ...

    async def release(self, endpoint_id: str, owner: str) -> bool:
        """Release a claim."""
        ...

    async def release_all(self, owner: str) -> None:
        """Release all claims of an owner."""
        ...

    async def dead_letters(
        self, endpoint_id: str, *, after: int = 0, limit: int = 100, replayed_only: bool = False
    ) -> Sequence[DeadLetter]:
        """Read dead letters with a number above ``after``, oldest first; or only those to be delivered again."""
        ...

    async def request_replay(self, endpoint_id: str, numbers: Collection[int]) -> int:
        """Request the delivery of dead letters, of all where none is named; return how many.

        Raises:
            WebhookNotFound: there is no such endpoint.

        """
        ...

    async def replayed(self, endpoint_id: str, owner: str, number: int, error: str | None) -> bool:
        """Record the outcome of a replay; ``error`` None: it was delivered."""
        ...
