"""Delivers events to webhook endpoints: from the log, in its order, each at least once.

An endpoint's position is a revision of the log. What follows it is read from the log, so nothing waits in memory and
nothing is lost with a process. A message that fails holds back all that follow it until it was delivered, or is a dead
letter after the last attempt. From then on, until a delivery succeeds, messages get one attempt each: an endpoint that
is down for days must not fall behind what the log stores.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from functools import partial

from generator_service.domain.clock import Clock
from generator_service.domain.webhook import RETRY_AFTER, Endpoint, Message, message_of, retry_after
from generator_service.notifier.contract import Notifier, Signal, Topic
from generator_service.store.contract import TaskStore
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.webhook_contract import WebhookStore
from generator_service.webhooks.sender import NotDelivered, Sender

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
AT_ONCE = 16
"""Endpoints that one process delivers to at the same time."""
PAGE = 200
MOST = len(RETRY_AFTER) + 1
"""Attempts of one message; an endpoint with so many failures in a row gets one attempt for each message."""
TURN_SECONDS = 10.0
"""How long one endpoint is delivered to before others get their turn: replays for so long, then events of the log."""


class Deliverer:
    """Delivers to the endpoints that no other process delivers to.

    A claim lasts for ``lease_for`` and is renewed every ``heartbeat`` until the end of the turn. One that is lost, as
    by a process that was frozen, can't put messages out of order: the next one is sent only after the position was
    advanced under the claim. At most the message under way is repeated.
    """

    def __init__(
        self,
        store: TaskStore,
        sender: Sender,
        wake: Notifier,
        clock: Clock,
        *,
        owner: str,
        lease_for: timedelta,
        heartbeat: timedelta,
    ) -> None:
        self._store = store
        self._webhooks: WebhookStore = store.webhooks
        self._sender = sender
        self._wake = wake
        self._clock = clock
        self._owner = owner
        self._lease_for = lease_for
        self._heartbeat = heartbeat.total_seconds()
        self._running: dict[str, asyncio.Task[None]] = {}
        """Deliveries by endpoint."""

    async def run(self) -> None:
        """Deliver until cancelled; then release all claims."""
        signal = self._wake.subscribe(Topic.LOG | Topic.REMOTE_LOG)
        renewing = asyncio.create_task(self._renew(), name="webhook-claims")
        try:
            while True:
                try:
                    idle = not await self._claim()
                    unused = idle and not await self._webhooks.endpoints()
                except Exception:
                    logger.exception("claiming webhook endpoints failed; trying again")
                    idle, unused = True, False
                if unused:
                    # A claim is a transaction of its own and would follow each commit; a new endpoint can wait so long.
                    await asyncio.sleep(POLL_SECONDS)
                elif idle:
                    await self._until_due(signal)
        finally:
            signal.close()
            works = [renewing, *self._running.values()]
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await self._release_all()

    async def _until_due(self, signal: Signal) -> None:
        """Wait for a hint, for the end of a turn, whose endpoint may have more to get, or for the next poll."""
        hint = asyncio.create_task(signal.wait(POLL_SECONDS), name="webhook-hint")
        try:
            await asyncio.wait({hint, *self._running.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hint.cancel()

    async def _release_all(self) -> None:
        try:
            await self._webhooks.release_all(self._owner)
        except DatabaseUnavailable as error:
            logger.warning("claims of webhook endpoints could not be released; they expire: %s", error)

    async def _renew(self) -> None:
        """Renew the claims of all deliveries, and stop those whose claim is lost."""
        while True:
            await asyncio.sleep(self._heartbeat)
            if not (renewed := dict(self._running)):
                continue
            try:
                lost = await self._webhooks.renew(self._owner, [*renewed], lease_for=self._lease_for)
            except Exception:
                logger.exception("renewing the claims of webhook endpoints failed; trying again")
                continue
            for endpoint_id in lost:
                renewed[endpoint_id].cancel()

    async def _claim(self) -> int:
        free = AT_ONCE - len(self._running)
        if not free:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
            return 1
        claimed = await self._webhooks.claim(self._owner, limit=free, lease_for=self._lease_for)
        for endpoint in claimed:
            # The claim of a delivery that still runs here was lost meanwhile.
            await self._stop(endpoint.endpoint_id)
            work = asyncio.create_task(self._deliver(endpoint), name=f"webhook-{endpoint.endpoint_id}")
            self._running[endpoint.endpoint_id] = work
            work.add_done_callback(partial(self._forget, endpoint.endpoint_id))
        return len(claimed)

    async def _stop(self, endpoint_id: str) -> None:
        if (stale := self._running.get(endpoint_id)) is not None:
            stale.cancel()
            await asyncio.wait({stale})

    def _forget(self, endpoint_id: str, work: asyncio.Task[None]) -> None:
        if self._running.get(endpoint_id) is work:
            del self._running[endpoint_id]

    async def _deliver(self, endpoint: Endpoint) -> None:
        """Deliver what an endpoint still has to get, for one turn at most."""
        try:
            if await self._replay(endpoint) and await self._follow(endpoint):
                await self._webhooks.release(endpoint.endpoint_id, self._owner)
        except Exception:
            # The claim runs out, and the endpoint is tried again.
            logger.exception("delivering to a webhook failed", extra={"endpoint_id": endpoint.endpoint_id})

    async def _replay(self, endpoint: Endpoint) -> bool:
        """Deliver requested dead letters, oldest first; return whether the claim is still held."""
        deadline, after = time.monotonic() + TURN_SECONDS, 0
        while letters := await self._webhooks.dead_letters(
            endpoint.endpoint_id, after=after, limit=PAGE, replayed_only=True
        ):
            for letter in letters:
                error = await self._send(endpoint, letter.message)
                if not await self._webhooks.replayed(endpoint.endpoint_id, self._owner, letter.number, error):
                    return False
                if time.monotonic() >= deadline:
                    return True
            after = letters[-1].number
        return True

    async def _follow(self, endpoint: Endpoint) -> bool:
        """Deliver events of the log after the endpoint's position; return whether the claim is still to be released."""
        deadline = time.monotonic() + TURN_SECONDS
        failures, position = endpoint.failures, endpoint.position
        ended = False
        while not ended:
            page = await self._store.events_after(position, limit=PAGE)
            if page.head.position < position:  # The log was restored to an earlier state.
                position = page.head.position
                break
            if page.head.compacted > position and (not page.events or page.events[0].revision > position + 1):
                logger.warning(
                    "events were deleted before a webhook got them",
                    extra={"endpoint_id": endpoint.endpoint_id, "position": position},
                )
            for event in page.events:
                if wanted := endpoint.wants(event):
                    in_a_row = await self._attempt(
                        endpoint, message_of(event, page.head.epoch), event.revision, failures
                    )
                    if in_a_row is None:
                        return False
                    failures = in_a_row
                position = event.revision
                if wanted and time.monotonic() >= deadline:
                    break
            ended = len(page.events) < PAGE or time.monotonic() >= deadline
        if position != endpoint.position:
            # Skipped events are done too: the next turn must not read them again.
            await self._webhooks.advance(endpoint.endpoint_id, self._owner, position, delivered=False)
        return True

    async def _attempt(self, endpoint: Endpoint, message: Message, revision: int, failures: int) -> int | None:
        """Send a message and record the outcome.

        Return the failures in a row from now on; None if the endpoint is to be left, because it has to wait or the
        claim was lost.
        """
        error = await self._send(endpoint, message)
        if error is None:
            held = await self._webhooks.advance(endpoint.endpoint_id, self._owner, revision, delivered=True)
            return 0 if held else None
        failures += 1
        wait = retry_after(failures)
        if wait is not None:
            await self._webhooks.fail(endpoint.endpoint_id, self._owner, failures=failures, wait=wait, error=error)
            return None
        held = await self._webhooks.bury(
            endpoint.endpoint_id, self._owner, message, attempts=min(failures, MOST), error=error
        )
        if not held:
            return None
        logger.error(
            "a webhook message is a dead letter: %s",
            error,
            extra={"endpoint_id": endpoint.endpoint_id, "message_id": message.message_id},
        )
        return MOST

    async def _send(self, endpoint: Endpoint, message: Message) -> str | None:
        """Send a message; return why it was not delivered, None if it was."""
        try:
            await self._sender.send(endpoint, message, self._clock.now())
        except NotDelivered as error:
            logger.info(
                "webhook not delivered: %s",
                error,
                extra={"endpoint_id": endpoint.endpoint_id, "message_id": message.message_id},
            )
            return str(error)[:500]
        return None
