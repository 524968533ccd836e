"""Webhook endpoints on SQLAlchemy Core; see `generator_service.store.webhook_contract.WebhookStore`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from generator_service.domain.webhook import DeadLetter, Endpoint, Message
from generator_service.store import webhooks
from generator_service.store.admin import Read, Write


class SqlWebhookStore:
    """The part of a store for webhooks."""

    def __init__(self, write: Write, read: Read) -> None:
        self._write = write
        self._read = read

    async def create(self, endpoint: Endpoint) -> Endpoint:
        """Store a new endpoint."""
        return await self._write(partial(webhooks.create, endpoint=endpoint))

    async def remove(self, endpoint_id: str) -> None:
        """Delete an endpoint."""
        await self._write(partial(webhooks.remove, endpoint_id=endpoint_id))

    async def rotate(self, endpoint_id: str, secret: str, *, keep: timedelta) -> Endpoint:
        """Give an endpoint a new secret."""
        return await self._write(partial(webhooks.rotate, endpoint_id=endpoint_id, secret=secret, keep=keep))

    async def endpoints(self) -> Sequence[Endpoint]:
        """Read all endpoints."""
        return await self._read(webhooks.endpoints)

    async def claim(self, owner: str, *, limit: int, lease_for: timedelta) -> Sequence[Endpoint]:
        """Claim endpoints that have something to deliver now."""
        return await self._write(partial(webhooks.claim, owner=owner, lease_for=lease_for, limit=limit))

    async def renew(self, owner: str, endpoint_ids: Collection[str], *, lease_for: timedelta) -> Collection[str]:
        """Prolong claims; return the endpoints whose claims are lost."""
        return await self._write(
            partial(webhooks.renew, owner=owner, endpoint_ids=endpoint_ids, lease_for=lease_for), urgent=True
        )

    async def advance(self, endpoint_id: str, owner: str, position: int, *, delivered: bool) -> bool:
        """Record that everything up to a revision is done."""
        return await self._write(
            partial(webhooks.advance, endpoint_id=endpoint_id, owner=owner, position=position, delivered=delivered)
        )

    async def fail(self, endpoint_id: str, owner: str, *, failures: int, wait: timedelta, error: str) -> bool:
        """Record a failed attempt."""
        return await self._write(
            partial(webhooks.fail, endpoint_id=endpoint_id, owner=owner, failures=failures, wait=wait, error=error)
        )

    async def bury(self, endpoint_id: str, owner: str, message: Message, *, attempts: int, error: str) -> bool:
        """Record a message as a dead letter."""
        return await self._write(
            partial(
                webhooks.bury, endpoint_id=endpoint_id, owner=owner, message=message, attempts=attempts, error=error
            )
        )

    async def release(self, endpoint_id: str, owner: str) -> bool:
        """Release a claim."""
        return await self._write(partial(webhooks.release, endpoint_id=endpoint_id, owner=owner))

    async def release_all(self, owner: str) -> None:
        """Release all claims of an owner."""
        await self._write(partial(webhooks.release_all, owner=owner))

    async def dead_letters(
        self, endpoint_id: str, *, after: int = 0, limit: int = 100, replayed_only: bool = False
    ) -> Sequence[DeadLetter]:
        """Read dead letters."""
        return await self._read(
            partial(
                webhooks.dead_letters,
                endpoint_id=endpoint_id,
                after=after,
                limit=limit,
                replayed_only=replayed_only,
            )
        )

    async def request_replay(self, endpoint_id: str, numbers: Collection[int]) -> int:
        """Request the delivery of dead letters."""
        return await self._write(partial(webhooks.request_replay, endpoint_id=endpoint_id, numbers=numbers))

    async def replayed(self, endpoint_id: str, owner: str, number: int, error: str | None) -> bool:
        """Record the outcome of a replay."""
        return await self._write(
            partial(webhooks.replayed, endpoint_id=endpoint_id, owner=owner, number=number, error=error)
        )
