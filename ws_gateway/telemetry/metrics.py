"""Metrics of this process, for Prometheus. Names and labels are a contract with `deploy/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ws_gateway.protocol.close_codes import CloseCode
from ws_gateway.protocol.messages import SyncMode

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DURATION = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
# A client may close with any code from 1000 to 4999: only those that mean something here become label values.
_CODES = frozenset(CloseCode) | {1000, 1001, 1005, 1006, 1009, 1011, 1012}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


class Delivery(StrEnum):
    """Which kind of message was delivered."""

    TERMINAL = "terminal"
    """The end of a task."""
    UPDATE = "update"
    """Any other durable state change."""
    PROGRESS = "progress"


class Metrics:
    """The figures of one gateway process, in a registry of its own. All times are in seconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._open = Gauge("whitebg_ws_connections_open", "Open WebSockets.", registry=registry)
        self._queue_bytes = Gauge(
            "whitebg_ws_queue_bytes", "Bytes that wait to be written to all sockets.", registry=registry
        )
        self._handshakes = Counter(
            "whitebg_ws_handshakes", "WebSocket handshakes, by what became of them.", ["outcome"], registry=registry
        )
        self._opens = Counter(
            "whitebg_ws_opens", "Sessions that were let in, by protocol.", ["protocol"], registry=registry
        )
        self._closes = Counter("whitebg_ws_closes", "Closed WebSockets, by close code.", ["code"], registry=registry)
        self._session = Histogram(
            "whitebg_ws_session_seconds",
            "How long sockets were open.",
            buckets=(1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600),
            registry=registry,
        )
        self._delivery = Histogram(
            "whitebg_ws_delivery_seconds",
            "From the moment that something happened to its frame written; live messages only.",
            ["kind"],
            buckets=_LATENCY,
            registry=registry,
        )
        self._delivered = {kind: self._delivery.labels(kind) for kind in Delivery}
        self._coalesced = Counter(
            "whitebg_ws_progress_coalesced",
            "Progress that newer progress replaced before it was sent.",
            registry=registry,
        )
        self._dropped = Counter(
            "whitebg_ws_progress_dropped",
            "Progress that was dropped as stale, or for a slow client.",
            registry=registry,
        )
        self._terminals_dropped = Counter(
            "whitebg_ws_terminals_dropped", "Ends of tasks that a session passed over. Always 0.", registry=registry
        )
        self._syncs = Counter(
            "whitebg_ws_syncs",
            "Clients brought up to date, by mode, reason (of a snapshot) and source.",
            ["mode", "reason", "source"],
            registry=registry,
        )
        self._ack_lag = Histogram(
            "whitebg_ws_ack_lag_seconds", "From a message sent to its ack.", buckets=_LATENCY, registry=registry
        )
        self._resends = Counter("whitebg_ws_resends", "Messages sent again because no ack came.", registry=registry)
        self._hub_connected = Gauge(
            "whitebg_hub_connected", "1 while the stream from the service is open.", registry=registry
        )
        self._hub_lag = Histogram(
            "whitebg_hub_lag_seconds",
            "From the moment that something happened to its event in the hub.",
            buckets=_LATENCY,
            registry=registry,
        )
        self._hub_breaks = Counter(
            "whitebg_hub_breaks", "Times that the stream from the service ended.", registry=registry
        )
        self._ring = Gauge("whitebg_hub_ring_events", "Events kept in memory for replays.", registry=registry)
        self._redis_away = Gauge(
            "whitebg_redis_away",
            "1 while Redis is unreachable, by use; always 0 without Redis.",
            ["use"],
            registry=registry,
        )
        self._certificates = Gauge(
            "whitebg_certificate_expiry_timestamp_seconds",
            "When a file's certificates end, by the setting that names it; none without TLS.",
            ["file"],
            registry=registry,
        )
        self._requests = Histogram(
            "whitebg_http_request_seconds",
            "HTTP requests, by route, method and status, until the last byte of the answer.",
            ["route", "method", "status"],
            buckets=_DURATION,
            registry=registry,
        )

    def expose(self) -> bytes:
        """Return all figures in the text format of Prometheus."""
        return generate_latest(self.registry)

    def resident_bytes(self) -> int | None:
        """Return the memory that this process takes; None where the system does not report it."""
        value = self.registry.get_sample_value("process_resident_memory_bytes")
        return None if value is None else int(value)

    def watch(
        self,
        *,
        connections: Callable[[], float],
        queue_bytes: Callable[[], float],
        hub_connected: Callable[[], float],
        ring_events: Callable[[], float],
    ) -> None:
        """Read these at every scrape, from where the truth is."""
        self._open.set_function(connections)
        self._queue_bytes.set_function(queue_bytes)
        self._hub_connected.set_function(hub_connected)
        self._ring.set_function(ring_events)

    def handshake(self, *, accepted: bool) -> None:
        """Count a handshake that was answered."""
        self._handshakes.labels("accepted" if accepted else "refused").inc()

    def opened(self, protocol: str) -> None:
        """Count a session; ``protocol`` is its subprotocol, empty for the base protocol."""
        self._opens.labels(protocol or "base").inc()

    def closed(self, code: int, duration: float) -> None:
        """Count the end of an accepted socket."""
        self._closes.labels(code if code in _CODES else OTHER).inc()
        self._session.observe(duration)

    def delivered(self, kind: Delivery, latency: float) -> None:
        """Take in that a live message was written."""
        self._delivered[kind].observe(max(0.0, latency))

    def progress_coalesced(self, count: int = 1) -> None:
        """Count progress that newer progress replaced."""
        self._coalesced.inc(count)

    def progress_dropped(self, count: int = 1) -> None:
        """Count progress that was dropped unsent."""
        self._dropped.inc(count)

    def terminal_dropped(self, count: int = 1) -> None:
        """Count ends of tasks that a session passed over: a fault."""
        self._terminals_dropped.inc(count)

    def synced(self, mode: SyncMode, reason: str | None, *, from_memory: bool) -> None:
        """Count a client brought up to date."""
        self._syncs.labels(mode.value, reason or "", "memory" if from_memory else "service").inc()

    def acked(self, lag: float) -> None:
        """Take in how long an ack took."""
        self._ack_lag.observe(max(0.0, lag))

    def resent(self, count: int = 1) -> None:
        """Count messages that were sent again."""
        self._resends.inc(count)

    def hub_received(self, lag: float) -> None:
        """Take in how old an event was when the hub got it."""
        self._hub_lag.observe(max(0.0, lag))

    def hub_broke(self) -> None:
        """Count the end of the hub's stream."""
        self._hub_breaks.inc()

    def redis_away(self, use: str, *, away: bool) -> None:
        """Note whether Redis can be reached for a use."""
        self._redis_away.labels(use).set(away)

    def certificates(self, files: Iterable[str], end_of: Callable[[str], float]) -> None:
        """Ask at every scrape when these files' certificates end, in seconds since 1970."""
        for file in files:
            self._certificates.labels(file).set_function(partial(end_of, file))

    def request(self, *, route: str | None, method: str, status: int, duration: float) -> None:
        """Take in a request; ``route`` is the path with its parameters' names, None where nothing matched."""
        self._requests.labels(route or OTHER, method if method in _METHODS else OTHER, status).observe(duration)
