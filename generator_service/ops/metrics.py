"""Metrics of this process, for Prometheus. Names and labels are a contract with `deploy/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from generator_service.domain.breaker import Breaker, without_pauses
from generator_service.domain.event import TaskEvent
from generator_service.domain.task_options import Engine

_LATENCY = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DURATION = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 180.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Outcome(StrEnum):
    """The outcome of a worker's attempt."""

    COMPLETED = "completed"
    FAILED = "failed"
    """The engine or the worker reported an error; the task may be retried."""
    TIMED_OUT = "timed_out"
    SNOOZED = "snoozed"
    """The task waits for an engine, the image store or another worker; no attempt is counted."""
    LOST = "lost"
    """The lease was lost, or the worker was stopped: the result was discarded."""


class Metrics:
    """The metrics of one service process, in a separate registry. All times are in seconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._commits = Histogram(
            "whitebg_commit_events", "Events that one commit wrote together.", buckets=_BATCH, registry=registry
        )
        self._events = Counter(
            "whitebg_task_events", "State changes read from the log, by type.", ["type"], registry=registry
        )
        self._tail_lag = Histogram(
            "whitebg_tail_lag_seconds",
            "From the moment that something happened to its event told to the watchers.",
            buckets=_LATENCY,
            registry=registry,
        )
        self._runs = Counter(
            "whitebg_worker_runs",
            "Attempts that ended, by the engine asked for and outcome.",
            ["engine", "outcome"],
            registry=registry,
        )
        self._engine = Histogram(
            "whitebg_engine_seconds",
            "How long pictures took that were made, by the engine that made them.",
            ["engine"],
            buckets=_DURATION,
            registry=registry,
        )
        self._calls = Counter(
            "whitebg_grpc_calls", "gRPC calls that ended, by method and status.", ["method", "code"], registry=registry
        )
        self._call_seconds = Histogram(
            "whitebg_grpc_call_seconds",
            "How long gRPC calls took that are no streams.",
            ["method"],
            buckets=_LATENCY,
            registry=registry,
        )
        self._model_calls = Counter(
            "whitebg_model_calls",
            "Calls of a paid model, by what came of them: a picture, or the error's code.",
            ["engine", "model", "outcome"],
            registry=registry,
        )
        self._model_tokens = Counter(
            "whitebg_model_tokens",
            "Tokens that calls of a paid model took, by kind.",
            ["engine", "model", "kind"],
            registry=registry,
        )
        self._certificates = Gauge(
            "whitebg_certificate_expiry_timestamp_seconds",
            "When a file's certificates end, by the setting that names it; none without TLS.",
            ["file"],
            registry=registry,
        )
        self._orphans = Counter(
            "whitebg_orphans_deleted", "Images deleted because no task named them.", registry=registry
        )
        self.ready = Gauge("whitebg_ready", "1 while this process is ready for work, else 0.", registry=registry)
        self.stalled = Gauge(
            "whitebg_queue_stalled_seconds",
            "For how long tasks could run and slots should be free, without an attempt that started or ended.",
            registry=registry,
        )
        self.rejected = Gauge(
            "whitebg_writes_rejected",
            "1 while the database or the image store rejects writes, else 0.",
            ["target"],
            registry=registry,
        )
        self.free_bytes = Gauge(
            "whitebg_data_free_bytes",
            "Free space of the folders of the database and the images; absent where the process writes to none.",
            ["folder"],
            registry=registry,
        )
        self._breakers = Gauge(
            "whitebg_breaker_open",
            "1 while the circuit breaker of an engine or of the image store is not closed.",
            ["name"],
            registry=registry,
        )
        self._running = Gauge("whitebg_worker_running", "Attempts that run now in this process.", registry=registry)

    def breakers(self, breakers: Mapping[str, Breaker]) -> None:
        """Record the circuit breakers that were ever opened, by name."""
        for name, breaker in without_pauses(breakers).items():
            self._breakers.labels(name).set(not breaker.closed)

    def committed(self, events: Sequence[TaskEvent]) -> None:
        """Record the writes of one commit. Thread-safe."""
        self._commits.observe(len(events))

    def told(self, events: Sequence[TaskEvent], now: datetime) -> None:
        """Record events that the tail has just read."""
        for event in events:
            self._events.labels(event.type.value).inc()
            self._tail_lag.observe(max(0.0, (now - event.occurred_at).total_seconds()))

    def run_began(self) -> None:
        """Count the start of an attempt."""
        self._running.inc()

    def run_ended(self, engine: Engine, outcome: Outcome) -> None:
        """Count the end of an attempt; ``engine`` is the requested one."""
        self._running.dec()
        self._runs.labels(engine.value, outcome.value).inc()

    def picture_made(self, engine: Engine, took: float) -> None:
        """Record the duration of an engine's work."""
        self._engine.labels(engine.value).observe(took)

    def model_called(self, model: str, outcome: str, tokens: Mapping[str, int]) -> None:
        """Count a Gemini call and its tokens. Calls with the outcome ``picture`` are the generated images."""
        engine = Engine.GEMINI.value
        self._model_calls.labels(engine, model, outcome).inc()
        for kind, count in tokens.items():
            self._model_tokens.labels(engine, model, kind).inc(count)

    def orphans_deleted(self, count: int) -> None:
        """Count images that were deleted as orphans."""
        self._orphans.inc(count)

    def certificates(self, files: Iterable[str], end_of: Callable[[str], float]) -> None:
        """Read at every scrape when these files' certificates expire, in seconds since 1970."""
        for file in files:
            self._certificates.labels(file).set_function(partial(end_of, file))

    def called(self, method: str, code: str, took: float | None) -> None:
        """Count a gRPC call; ``took`` is None for a stream, whose duration depends on the client."""
        self._calls.labels(method, code).inc()
        if took is not None:
            self._call_seconds.labels(method).observe(took)
