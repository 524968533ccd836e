"""One stream of all users' events from the service, fanned out to the clients of each user."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Protocol

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from whitebg.v1 import event_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.backoff import Backoff
from ws_gateway.auth.revocations import Revocations
from ws_gateway.clock import Clock
from ws_gateway.protocol.messages import TERMINAL_STATES, Encoder, ProgressMessage, TaskMessage, epoch_seconds
from ws_gateway.telemetry.metrics import Metrics
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.errors import ServiceError
from ws_gateway.upstream.event_buffer import EventRing

log = logging.getLogger(__name__)
_BACKOFF = Backoff(base=0.05, cap=2.0)

# The service sends a bookmark at least every 30 s; a stream that is silent for longer is dead.
SILENCE_S = 75.0
_MAX_KNOWN_TASKS = 50_000
LOSS_S = 1.0
"""How long the service must be unreachable until clients are notified, in seconds: streams also end in order."""


class Subscriber(Protocol):
    """A consumer of one user's updates. Called from the event loop; must not block."""

    def on_event(self, message: TaskMessage) -> None:
        """Take a durable state change."""
        ...

    def on_progress(self, message: ProgressMessage) -> None:
        """Accept progress between two events."""
        ...

    def on_resync(self) -> None:
        """Learn that events may have been missed: read from the last cursor."""
        ...

    def on_service(self, *, available: bool) -> None:
        """Take a change of the service's availability."""
        ...


class Hub:
    """Watches the whole log, resumes by cursor after every disconnect, and notifies each user's subscribers.

    A subscriber gets every event of its user from the moment it subscribed, in order, or `on_resync`.
    """

    def __init__(
        self,
        *,
        service: ServiceClient,
        ring: EventRing,
        encoder: Encoder,
        revocations: Revocations,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.connected = False
        """Whether the stream from the service is open."""
        self.refusal = ""
        """Why the service, though it answers, refuses the stream, such as for another secret; empty if it does not."""
        self.available = True
        """Whether the service is reported as available to clients."""
        self.positioned = asyncio.Event()
        """Set once the hub has a position in the log: from then on it reports every gap."""
        self.lag = 0.0
        """Seconds between the latest event's happening and its arrival here."""
        self._clock = clock
        self._metrics = metrics
        self._service = service
        self._ring = ring
        self._encoder = encoder
        self._revocations = revocations
        self._failures = 0
        """Streams that ended since the last one that brought anything."""
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._queue_watchers: set[Callable[[], None]] = set()
        self._cursor = ""
        self._submitted: dict[int, Timestamp] = {}
        self._loss: asyncio.TimerHandle | None = None

    @property
    def ring_events(self) -> int:
        """How many events are in memory for replays."""
        return len(self._ring)

    @contextmanager
    def subscribed(self, user_id: str, subscriber: Subscriber) -> Iterator[None]:
        """Pass the user's updates to the subscriber within the block."""
        self._subscribers.setdefault(user_id, set()).add(subscriber)
        try:
            yield
        finally:
            subscribers = self._subscribers[user_id]
            subscribers.discard(subscriber)
            if not subscribers:
                del self._subscribers[user_id]

    def watch_queue(self, watcher: Callable[[], None]) -> None:
        """Call a function at each change of any user's tasks, until `unwatch_queue`. It must not block."""
        self._queue_watchers.add(watcher)

    def unwatch_queue(self, watcher: Callable[[], None]) -> None:
        """Call it no more; without effect if it was not called."""
        self._queue_watchers.discard(watcher)

    async def run(self) -> None:
        """Watch until cancelled."""
        self._begin_loss()
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
                self._begin_loss()
            self._failures += 1
            await asyncio.sleep(_BACKOFF.delay(self._failures))

    async def _watch(self) -> None:
        """Follow one stream to its end; on it, and before anything else, all revocations."""
        listed = False
        async with aclosing(self._service.watch_all(self._cursor)) as responses:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    response = await anext(responses, None)
                if response is None:
                    log.info("the service ended the stream; connecting again")
                    return
                if not listed or self._missed_revocations(response):
                    await self._revocations.catch_up(self._service)
                    listed = True
                self._take(response)

    def _lost(self, error: ServiceError) -> None:
        self.refusal = "" if error.away else str(error)
        if error.status is grpc.StatusCode.OUT_OF_RANGE:
            log.warning("the log can't be resumed (%s); every client reads from its own cursor", error.message)
            self._cursor = ""
            self.positioned.clear()
        elif error.status is grpc.StatusCode.UNAUTHENTICATED and self.connected:
            # A stream ends with its token; a refusal of the next one is reported.
            self.refusal = ""
            log.info("the service ended the stream with its token; connecting again")
        elif self.connected or not error.away:
            log.warning("lost the service: %s", error)
        else:
            log.log(logging.DEBUG if self._failures else logging.WARNING, "service unavailable: %s", error)

    def _missed_revocations(self, response: pb.WatchTasksResponse) -> bool:
        """Put a response's revocations in force; return whether one before them is missing."""
        missed = False
        for item in response.items:
            if item.HasField("revocation"):
                missed |= not self._revocations.take(item.revocation)
        return missed

    def _take(self, response: pb.WatchTasksResponse) -> None:
        if response.cursor and not self.positioned.is_set():
            self._begin()
        for item in response.items:
            match item.WhichOneof("item"):
                case "event":
                    self._event(item.event)
                case "progress":
                    self._progress(item.progress)
                case "queue_changed":
                    pass
                case _:
                    continue
            self._report_queue()
        if response.cursor:
            self._cursor = response.cursor
        if not self.connected:
            self.connected = True
            self._failures = 0
            self._report_service(available=True)
            log.info("connected to the service")

    def _begin(self) -> None:
        """Reset to a new log position, which need not follow the events known so far."""
        self._ring.clear()
        self._submitted.clear()
        self.positioned.set()
        for subscriber in [each for several in self._subscribers.values() for each in several]:
            subscriber.on_resync()
        self._report_queue()

    def _report_queue(self) -> None:
        for watcher in tuple(self._queue_watchers):
            watcher()

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

    def _begin_loss(self) -> None:
        """Report the service as unavailable unless it is connected again soon."""
        if self._loss is None and self.available:
            loop = asyncio.get_running_loop()
            self._loss = loop.call_later(LOSS_S, partial(self._report_service, available=False))

    def _report_service(self, *, available: bool) -> None:
        if self._loss is not None:
            self._loss.cancel()
            self._loss = None
        if available is self.available:
            return
        self.available = available
        for subscriber in [each for several in self._subscribers.values() for each in several]:
            subscriber.on_service(available=available)
