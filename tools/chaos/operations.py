"""An operator who pauses and resumes the queue at random, and endpoints that receive webhooks and reject some."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from grpc import aio

from tests.support.api import Api
from tests.support.webhook_receiver import Delivery, Receiver, webhook_receiver
from tools.chaos.recorder import Recorder
from tools.checker.history import Buried, Delivered, Hooked, Paused, Resumed
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

if TYPE_CHECKING:
    from whitebg.v1.admin_service_pb2_grpc import AdminServiceAsyncStub

T = TypeVar("T")

CALL_SECONDS = 10.0
AGAIN_SECONDS = 0.2
PAUSED_SECONDS = (2.0, 12.0)
BETWEEN_SECONDS = (2.0, 8.0)
REJECTED = 0.1
"""Share of messages that an endpoint rejects; never two in a row: the second retry comes half a minute later."""


class Unacknowledged(Exception):
    """A call may have had its effect, or not."""


Switch = Callable[[str, str], Awaitable[None]]
"""Calls ``pause`` or ``resume`` (the first argument) for an engine, or for all claims if the second is empty.

Raises:
    Unacknowledged: the call is to be repeated.
"""


@dataclass(frozen=True)
class Hook:
    """A webhook and its receiver."""

    webhook_id: str
    secret: str
    receiver: Receiver


class Operator:
    """Pauses, resumes and creates webhooks; each call is repeated until it is acknowledged."""

    def __init__(self, api: Api, recorder: Recorder) -> None:
        """Call as ``api``, whose token needs the scope ``admin``."""
        self._api = api
        self._stub: AdminServiceAsyncStub = AdminServiceStub(api.channel)
        self._recorder = recorder
        self._hooks: list[Hook] = []

    async def pause_until(self, over: asyncio.Event, rng: random.Random) -> None:
        """Pause and resume all claims until ``over`` is set; they are resumed in the end."""
        while not await _set_within(over, rng.uniform(*BETWEEN_SECONDS)):
            async with self.paused():
                await _set_within(over, rng.uniform(*PAUSED_SECONDS))

    @asynccontextmanager
    async def paused(self, engine: str = "", switch: Switch | None = None) -> AsyncIterator[None]:
        """Pause the claims of an engine, or all, while the block runs."""
        switch = switch or self.switch
        began = time.time()
        await _repeated(lambda: switch("pause", engine))
        self._recorder.add(Paused(began=began, at=time.time(), engine=engine))
        yield
        head = await _repeated(self._head)
        await _repeated(lambda: switch("resume", engine))
        self._recorder.add(Resumed(head=head, at=time.time(), engine=engine))

    async def switch(self, action: str, engine: str) -> None:
        """Pause or resume over gRPC, the `Switch` that is used unless another one is given."""
        which = task_pb2.Engine.Value(f"ENGINE_{engine.upper()}") if engine else task_pb2.ENGINE_UNSPECIFIED
        options: dict[str, Any] = {"metadata": self._api.metadata, "timeout": CALL_SECONDS}
        try:
            if action == "pause":
                await self._stub.PauseQueue(pb.PauseQueueRequest(engine=which, note="chaos"), **options)
            else:
                await self._stub.ResumeQueue(pb.ResumeQueueRequest(engine=which), **options)
        except aio.AioRpcError as error:
            raise Unacknowledged from error

    async def _head(self) -> int:
        try:
            return (await self._api.stats()).head_revision
        except aio.AioRpcError as error:
            raise Unacknowledged from error

    async def hook(self, receiver: Receiver, user: str) -> None:
        """Create a webhook for a user's tasks, or all. The log is empty yet."""
        request = pb.CreateWebhookRequest(url=receiver.url, user_id=user)
        made = await self._stub.CreateWebhook(request, metadata=self._api.metadata, timeout=CALL_SECONDS)
        self._hooks.append(Hook(made.webhook.webhook_id, made.secret, receiver))
        self._recorder.add(Hooked(endpoint=made.webhook.webhook_id, after=0, user=user))

    async def delivered(self, head: int) -> bool:
        """Return whether every webhook has been delivered up to a revision."""
        request = pb.ListWebhooksRequest()
        listed = await self._stub.ListWebhooks(request, metadata=self._api.metadata, timeout=CALL_SECONDS)
        return all(each.revision >= head for each in listed.webhooks)

    async def record_webhooks(self) -> None:
        """Record all messages that arrived at the receivers, in their order, and the dead letters."""
        for hook in self._hooks:
            request = pb.ListDeadLettersRequest(webhook_id=hook.webhook_id)
            page = await self._stub.ListDeadLetters(request, metadata=self._api.metadata, timeout=CALL_SECONDS)
            for letter in page.dead_letters:
                self._recorder.add(Buried(endpoint=hook.webhook_id, message_id=letter.message_id))
            for delivery in hook.receiver.deliveries:
                self._recorder.add(_delivered(hook, delivery))


async def _repeated(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call until it is acknowledged; return its result."""
    while True:
        try:
            return await call()
        except Unacknowledged:
            # Nothing signals that a server is available again.
            await asyncio.sleep(AGAIN_SECONDS)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


@contextmanager
def receivers(count: int, rng: random.Random, *, rejected: float = REJECTED) -> Iterator[Sequence[Receiver]]:
    """Run receivers of webhooks that reject a share of the messages."""
    if not count:
        yield ()
        return
    with webhook_receiver() as first, receivers(count - 1, rng, rejected=rejected) as others:
        numbers = {number for number in range(0, 10_000, 2) if rng.random() < 2 * rejected}
        first.status = lambda number: 503 if number in numbers else 204
        yield (first, *others)


def _delivered(hook: Hook, delivery: Delivery) -> Delivered:
    data = delivery.content["data"]
    return Delivered(
        endpoint=hook.webhook_id,
        message_id=delivery.message_id,
        type=delivery.content["type"],
        user=data["user_id"],
        task_id=data["task_id"],
        seq=data["seq"],
        accepted=delivery.status < 300,
        signed=delivery.signed_with(hook.secret),
    )
