"""The methods of `AdminService` for webhooks."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from generator_service.domain.clock import Clock
from generator_service.domain.errors import InvalidRequest, WebhookNotFound
from generator_service.domain.webhook import TYPES, DeadLetter, Endpoint, Secret, new_secret
from generator_service.rpc.admin.convert import require_name
from generator_service.rpc.convert import messages, requests
from generator_service.rpc.convert.pages import first_page
from generator_service.rpc.convert.times import duration_from
from generator_service.store.contract import TaskStore
from generator_service.webhooks.addresses import (
    AddressRefused,
    Network,
    require_literal_public,
    require_public_name,
    require_url,
)
from whitebg.v1 import admin_service_pb2 as pb

MAX_KEEP = timedelta(days=30)
RESOLVERS = 4
DEFAULT_KEEP = timedelta(days=1)
LETTERS_PER_PAGE, MAX_LETTERS_PER_PAGE = 100, 500
MAX_REPLAYED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAdmin:
    """Creates, lists and removes endpoints, and replays dead letters."""

    store: TaskStore
    clock: Clock
    allow_http: bool
    allowed: Sequence[Network]
    """Networks that are not public, but may be connected to."""
    resolvers: Executor = field(default_factory=partial(ThreadPoolExecutor, RESOLVERS, "webhook-names"))
    """Threads of its own, so that a silent name server delays nothing else."""

    async def create(self, request: pb.CreateWebhookRequest) -> pb.CreateWebhookResponse:
        """Create an endpoint, with a new secret."""
        try:
            url = require_url(request.url, allow_http=self.allow_http)
            require_literal_public(url, self.allowed)
            await require_public_name(url, self.allowed, self.resolvers)
        except AddressRefused as error:
            raise InvalidRequest("url", str(error)) from None
        if unknown := set(request.types) - set(TYPES.values()):
            raise InvalidRequest("types", f"{min(unknown)!r} is not known; use any of {', '.join(TYPES.values())}")
        if request.user_id:
            require_name(request.user_id, "user_id")
        secret = new_secret()
        endpoint = await self.store.webhooks.create(
            Endpoint(
                endpoint_id=secrets.token_hex(8),
                url=url,
                user_id=request.user_id or None,
                types=frozenset(request.types),
                secrets=(Secret(secret),),
                created_at=self.clock.now(),
            )
        )
        return pb.CreateWebhookResponse(webhook=_webhook(endpoint), secret=secret)

    async def list(self) -> pb.ListWebhooksResponse:
        """Return all endpoints."""
        return pb.ListWebhooksResponse(webhooks=[_webhook(each) for each in await self.store.webhooks.endpoints()])

    async def delete(self, request: pb.DeleteWebhookRequest) -> pb.DeleteWebhookResponse:
        """Delete an endpoint."""
        await self.store.webhooks.remove(request.webhook_id)
        return pb.DeleteWebhookResponse()

    async def rotate(self, request: pb.RotateWebhookSecretRequest) -> pb.RotateWebhookSecretResponse:
        """Give an endpoint a new secret."""
        keep = duration_from(request.keep_old, "keep_old") if request.HasField("keep_old") else DEFAULT_KEEP
        if not timedelta(0) <= keep <= MAX_KEEP:
            raise InvalidRequest("keep_old", f"{keep.total_seconds():g} s is not within 0 to {MAX_KEEP.days} days")
        secret = new_secret()
        endpoint = await self.store.webhooks.rotate(request.webhook_id, secret, keep=keep)
        return pb.RotateWebhookSecretResponse(webhook=_webhook(endpoint), secret=secret)

    async def dead_letters(self, request: pb.ListDeadLettersRequest) -> pb.ListDeadLettersResponse:
        """Return a page of dead letters."""
        limit = requests.page_size(request.page_size, default=LETTERS_PER_PAGE, most=MAX_LETTERS_PER_PAGE)
        if request.after < 0:
            raise InvalidRequest("after", f"{request.after} is negative")
        # No letters and no endpoint are not the same.
        if all(each.endpoint_id != request.webhook_id for each in await self.store.webhooks.endpoints()):
            raise WebhookNotFound(request.webhook_id)
        found = await self.store.webhooks.dead_letters(request.webhook_id, after=request.after, limit=limit)
        return pb.ListDeadLettersResponse(dead_letters=first_page(_letter(each) for each in found))

    async def replay(self, request: pb.ReplayDeadLettersRequest) -> pb.ReplayDeadLettersResponse:
        """Request the delivery of dead letters."""
        if len(request.numbers) > MAX_REPLAYED:
            raise InvalidRequest("numbers", f"names {len(request.numbers)} messages; at most {MAX_REPLAYED}")
        count = await self.store.webhooks.request_replay(request.webhook_id, request.numbers)
        return pb.ReplayDeadLettersResponse(requested=count)


def _webhook(value: Endpoint) -> pb.Webhook:
    return pb.Webhook(
        webhook_id=value.endpoint_id,
        url=value.url,
        user_id=value.user_id or "",
        types=sorted(value.types),
        created_at=messages.timestamp(value.created_at),
        revision=value.position,
        failures=value.failures,
        last_error=value.last_error,
    )


def _letter(value: DeadLetter) -> pb.DeadLetter:
    return pb.DeadLetter(
        number=value.number,
        message_id=value.message.message_id,
        type=value.message.type,
        body=value.message.body.decode(),
        failed_at=messages.timestamp(value.failed_at),
        attempts=value.attempts,
        error=value.error,
        replay_requested=value.replayed,
    )
