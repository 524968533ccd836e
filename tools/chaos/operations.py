"""An operator who pauses and resumes the queue at random, and endpoints that receive webhooks and reject some."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grpc import aio

from tests.support.webhook_receiver import Receiver, webhook_receiver
from tools.chaos.recorder import Recorder
from tools.checker.history import Buried, Delivered, Hooked, Paused, Resumed
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

if TYPE_CHECKING:
    from whitebg.v1.admin_service_pb2_grpc import AdminServiceAsyncStub

CALL_SECONDS = 10.0
PAUSED_SECONDS = (8.5, 12.0)
"""Longer than the checker's slack: what starts earlier in a pause is judged only then."""
BETWEEN_SECONDS = (2.0, 8.0)
REJECTED = 0.1
"""Share of messages that an endpoint rejects; never two in a row: the second retry comes half a minute later."""


class Operator:
    """Calls `AdminService`; each change of the queue is repeated until it is acknowledged."""

    def __init__(self, channel: aio.Channel, token: str, recorder: Recorder) -> None:
        self._stub: AdminServiceAsyncStub = AdminServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._recorder = recorder

    async def pause_until(self, over: asyncio.Event, rng: random.Random) -> None:
        """Pause and resume all claims until ``over`` is set; they are resumed in the end."""
        while not await _set_within(over, rng.uniform(*BETWEEN_SECONDS)):
            began = time.time()
            await self._repeat(self._pause)
            self._recorder.add(Paused(began=began, at=time.time()))
            await _set_within(over, rng.uniform(*PAUSED_SECONDS))
            began = time.time()
            await self._repeat(self._resume)
            self._recorder.add(Resumed(began=began, at=time.time()))

    async def hook(self, url: str, user: str) -> str:
        """Create a webhook for a user's tasks, or all; return its id. The log is empty yet."""
        request = pb.CreateWebhookRequest(url=url, user_id=user)
        webhook_id = (
            await self._stub.CreateWebhook(request, metadata=self._metadata, timeout=CALL_SECONDS)
        ).webhook.webhook_id
        self._recorder.add(Hooked(endpoint=webhook_id, after=0, user=user))
        return webhook_id

    async def delivered(self, head: int) -> bool:
        """Return whether every webhook has been delivered up to a revision."""
        listed = await self._stub.ListWebhooks(pb.ListWebhooksRequest(), metadata=self._metadata, timeout=CALL_SECONDS)
        return all(each.revision >= head for each in listed.webhooks)

    async def bury(self, webhook_ids: Sequence[str]) -> None:
        """Record the dead letters."""
        for webhook_id in webhook_ids:
            page = await self._stub.ListDeadLetters(
                pb.ListDeadLettersRequest(webhook_id=webhook_id), metadata=self._metadata, timeout=CALL_SECONDS
            )
            for letter in page.dead_letters:
                self._recorder.add(Buried(endpoint=webhook_id, message_id=letter.message_id))

    async def _pause(self) -> None:
        request = pb.PauseQueueRequest(note="chaos")
        await self._stub.PauseQueue(request, metadata=self._metadata, timeout=CALL_SECONDS)

    async def _resume(self) -> None:
        await self._stub.ResumeQueue(pb.ResumeQueueRequest(), metadata=self._metadata, timeout=CALL_SECONDS)

    @staticmethod
    async def _repeat(change: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await change()
            except aio.AioRpcError:
                await asyncio.sleep(0.2)
            else:
                return


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


@contextmanager
def receivers(count: int, rng: random.Random) -> Iterator[Sequence[Receiver]]:
    """Run receivers of webhooks that reject some messages."""
    if not count:
        yield ()
        return
    with webhook_receiver() as first, receivers(count - 1, rng) as others:
        rejected = {number for number in range(0, 10_000, 2) if rng.random() < 2 * REJECTED}
        first.status = lambda number: 503 if number in rejected else 204
        yield (first, *others)


def record_deliveries(endpoint: str, receiver: Receiver, recorder: Recorder) -> None:
    """Record all messages that arrived at a receiver, in their order."""
    for each in receiver.deliveries:
        data = each.content["data"]
        recorder.add(
            Delivered(
                endpoint=endpoint,
                message_id=each.message_id,
                type=each.content["type"],
                user=data["user_id"],
                task_id=data["task_id"],
                seq=data["seq"],
                accepted=each.status < 300,
            )
        )
