"""Delivery latency of one client: the time from an event to the written frame."""

from __future__ import annotations

from ws_gateway.clock import Clock
from ws_gateway.protocol.messages import Phase, ProgressMessage, TaskMessage
from ws_gateway.telemetry.metrics import Delivery, Metrics


class DeliveryLatency:
    """Remembers live messages until their frames are written; merged, replayed and excess ones are dropped.

    Frames are distinguished by their text, which is one object for all clients: comparing them costs nothing.
    """

    def __init__(self, metrics: Metrics, clock: Clock, *, most: int = 256) -> None:
        self._metrics = metrics
        self._clock = clock
        self._most = most
        self._expected: dict[str, tuple[Delivery, float]] = {}

    def expect(self, message: TaskMessage | ProgressMessage) -> None:
        """Record a message that comes from the hub."""
        if isinstance(message, ProgressMessage):
            kind = Delivery.PROGRESS
        else:
            kind = Delivery.TERMINAL if message.phase is Phase.ENDED else Delivery.UPDATE
        if len(self._expected) >= self._most:
            del self._expected[next(iter(self._expected))]
        self._expected[message.text] = kind, message.happened_at

    def written(self, frame: str) -> None:
        """Measure the latency of a frame that was handed to the socket."""
        if not self._expected:
            return
        if (found := self._expected.pop(frame, None)) is not None:
            kind, happened_at = found
            self._metrics.delivered(kind, self._clock.now().timestamp() - happened_at)
