"""The real deliverer of webhooks against an endpoint that rejects messages, and crashes right after a delivery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from generator_service.domain.clock import Clock
from generator_service.domain.webhook import Endpoint, Message
from generator_service.notifier.local import LocalNotifier
from generator_service.store.contract import TaskStore
from generator_service.webhooks.deliverer import Deliverer
from generator_service.webhooks.sender import NotDelivered, Sender
from tools.checker.history import Buried, Delivered, Hooked, Record

ENDPOINT = "hook"
LEASE = timedelta(seconds=15)


class WebhookWorld:
    """One endpoint for all users' tasks; all arrivals are recorded."""

    def __init__(self, store: TaskStore, clock: Clock, record: Callable[[Record], None]) -> None:
        self._store = store
        self._clock = clock
        self._record = record
        self._fate = "accept"
        self._processes = 0

    async def create(self) -> None:
        """Create the endpoint, before there are events."""
        endpoint = Endpoint(endpoint_id=ENDPOINT, url="https://hook.example", created_at=self._clock.now())
        await self._store.webhooks.create(endpoint)
        self._record(Hooked(endpoint=ENDPOINT, after=0))

    async def deliver(self, fate: str) -> None:
        """Let a process claim the endpoint and deliver. ``accept``, ``reject`` or ``crash``: the fate of the first."""
        self._fate = fate
        sender = cast("Sender", self)
        wake = LocalNotifier(asyncio.get_running_loop())
        self._processes += 1
        owner = f"process {self._processes}"
        deliverer = Deliverer(self._store, sender, wake, self._clock, owner=owner, lease_for=LEASE, heartbeat=LEASE / 3)
        for endpoint in await self._store.webhooks.claim(owner, limit=1, lease_for=LEASE):
            await asyncio.gather(deliverer._deliver(endpoint), return_exceptions=True)  # noqa: SLF001

    async def settle(self) -> None:
        """Record the dead letters."""
        for letter in await self._store.webhooks.dead_letters(ENDPOINT, limit=1000):
            self._record(Buried(endpoint=ENDPOINT, message_id=letter.message.message_id))

    async def send(self, endpoint: Endpoint, message: Message, now: datetime) -> None:  # noqa: ARG002 (the sender's)
        """Take a message as its endpoint does."""
        fate, self._fate = self._fate, "accept"
        content = json.loads(message.body)
        data = content["data"]
        self._record(
            Delivered(
                endpoint=endpoint.endpoint_id,
                message_id=message.message_id,
                type=content["type"],
                user=data["user_id"],
                task_id=data["task_id"],
                seq=data["seq"],
                accepted=fate != "reject",
            )
        )
        if fate == "reject":
            raise NotDelivered("rejected")
        if fate == "crash":
            raise asyncio.CancelledError
