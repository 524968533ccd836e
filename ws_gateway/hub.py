"""One stream of everybody's news from the service, fanned out to the clients of each user."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.whitebg.v1 import event_pb2
from protos.whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.backoff import Backoff
from ws_gateway.clock import Clock
from ws_gateway.errors import ServiceError
from ws_gateway.messages import TERMINAL_STATES, Encoder, ProgressMessage, TaskMessage, epoch_seconds
from ws_gateway.metrics import Metrics
from ws_gateway.ring import EventRing
from ws_gateway.service import ServiceClient

log = logging.getLogger(__name__)

# The service sends a bookmark at least every 30 s; a stream that is silent for longer is dead.
SILENCE_S = 75.0
_MAX_KNOWN_TASKS = 50_000


class Subscriber(Protocol):
    """Somebody who wants one user's news. Called from the event loop; must not wait."""

    def on_event(self, message: TaskMessage) -> None:
        """Take a durable state change."""
        ...

    def on_progress(self, message: ProgressMessage) -> None:
        """Take news between two of them."""
        ...

    def on_resync(self) -> None:
        """Learn that events may have been missed: read from the last cursor."""
        ...


class Hub:
    """Watches the whole log, resumes by cursor after every break, and tells each user's subscribers.

    A subscriber gets every event of its user from the moment it subscribed, in order, or `on_resync`.
    """

    def __init__(
        self,
        *,
        service: ServiceClient,
        ring: EventRing,
        encoder: Encoder,
        clock: Clock,
        metrics: Metrics,
        backoff: Backoff | None = None,
    ) -> None:
        self.connected = False
        """Whether the service is there and news flow."""
        self.positioned = asyncio.Event()
        """Set once the hub has a place in the log: from then on nothing is missed that it does not own up to."""
        self.lag = 0.0
        """Seconds between the latest event's happening and its arrival here."""
        self._clock = clock
        self._metrics = metrics
        self._service = service
        self._ring = ring
        self._encoder = encoder
        self._backoff = backoff or Backoff(base=0.05, cap=2.0, random=random.SystemRandom())
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._cursor = ""
        self._submitted: dict[int, Timestamp] = {}

    @property
    def ring_events(self) -> int:
        """How many events are in memory for replays."""
        return len(self._ring)

    @contextmanager
    def subscribed(self, user_id: str, subscriber: Subscriber) -> Iterator[None]:
        """Tell the subscriber the user's news within the block."""
        self._subscribers.setdefault(user_id, set()).add(subscriber)
        try:
            yield
        finally:
            subscribers = self._subscribers[user_id]
            subscribers.discard(subscriber)
            if not subscribers:
                del self._subscribers[user_id]

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._watch()
            except ServiceError as error:
                self._lost(error)
            except TimeoutError:
                log.warning("the service sent nothing for %.0f s; connecting again", SILENCE_S)
            finally:
                if self.connected:
                    self._metrics.hub_broke()
                self.connected = False
            await asyncio.sleep(self._backoff.next())

    async def _watch(self) -> None:
        """Follow one stream to its end."""
        async with aclosing(self._service.watch_all(self._cursor)) as responses:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    response = await anext(responses, None)
                if response is None:
                    log.info("the service ended the stream; connecting again")
                    return
                self._take(response)

    def _lost(self, error: ServiceError) -> None:
        if error.status is grpc.StatusCode.OUT_OF_RANGE:
            log.warning("the log can't be resumed (%s); every client reads from its own cursor", error.message)
            self._cursor = ""
            self.positioned.clear()
        elif self.connected or not error.away:
            log.warning("lost the service: %s", error)
        else:
            log.debug("the service is away: %s", error)

    def _take(self, response: pb.WatchTasksResponse) -> None:
        if response.cursor and not self.positioned.is_set():
            self._begin()
        for item in response.items:
            match item.WhichOneof("item"):
                case "event":
                    self._event(item.event)
                case "progress":
                    self._progress(item.progress)
                case _:
                    continue
        if response.cursor:
            self._cursor = response.cursor
        if not self.connected:
            self.connected = True
            self._backoff.reset()
            log.info("connected to the service")

    def _begin(self) -> None:
        """Start over from a new place in the log: what was known need not join on to it."""
        self._ring.clear()
        self._submitted.clear()
        self.positioned.set()
        for subscriber in [each for several in self._subscribers.values() for each in several]:
            subscriber.on_resync()

    def _event(self, event: event_pb2.TaskEvent) -> None:
        self._ring.append(event)
        self.lag = max(0.0, self._clock.now().timestamp() - epoch_seconds(event.occurred_at))
        self._metrics.hub_received(self.lag)
        task = event.task
        if task.state in TERMINAL_STATES:
            self._submitted.pop(task.task_id, None)
        elif task.task_id not in self._submitted:
            self._submitted[task.task_id] = task.created_at
            if len(self._submitted) > _MAX_KNOWN_TASKS:
                del self._submitted[next(iter(self._submitted))]
        subscribers = self._subscribers.get(task.user_id)
        if subscribers:
            message = self._encoder.event(event)
            for subscriber in tuple(subscribers):
                subscriber.on_event(message)

    def _progress(self, progress: event_pb2.TaskProgress) -> None:
        subscribers = self._subscribers.get(progress.user_id)
        if subscribers:
            message = self._encoder.progress(progress, self._submitted.get(progress.task_id))
            for subscriber in tuple(subscribers):
                subscriber.on_progress(message)
