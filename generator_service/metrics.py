"""What Prometheus is told about this process. Names and labels are a contract with `deploy/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Engine

_LATENCY = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DURATION = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 180.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Outcome(StrEnum):
    """How one attempt of a worker ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """With an error that the engine or the worker reported; the task may be tried again."""
    TIMED_OUT = "timed_out"
    LOST = "lost"
    """The task was no longer this worker's, or the worker was told to stop: what came of it was dropped."""


class Metrics:
    """The figures of one service process, in a registry of its own. All times are in seconds."""

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
        self._running = Gauge("whitebg_worker_running", "Attempts that run now in this process.", registry=registry)

    def committed(self, events: Sequence[TaskEvent]) -> None:
        """Take in what one commit wrote. Safe from any thread."""
        self._commits.observe(len(events))

    def told(self, events: Sequence[TaskEvent], now: datetime) -> None:
        """Take in events that the tail has just read."""
        for event in events:
            self._events.labels(event.type.value).inc()
            self._tail_lag.observe(max(0.0, (now - event.occurred_at).total_seconds()))

    def run_began(self) -> None:
        """Count an attempt in."""
        self._running.inc()

    def run_ended(self, engine: Engine, outcome: Outcome) -> None:
        """Count an attempt out; ``engine`` is the one that was asked for."""
        self._running.dec()
        self._runs.labels(engine.value, outcome.value).inc()

    def picture_made(self, engine: Engine, took: float) -> None:
        """Take in how long an engine needed."""
        self._engine.labels(engine.value).observe(took)

    def model_called(self, model: str, outcome: str, tokens: Mapping[str, int]) -> None:
        """Take in a call of Gemini: what it cost. Calls with the outcome ``picture`` are the images made."""
        engine = Engine.GEMINI.value
        self._model_calls.labels(engine, model, outcome).inc()
        for kind, count in tokens.items():
            self._model_tokens.labels(engine, model, kind).inc(count)

    def certificates(self, files: Iterable[str], end_of: Callable[[str], float]) -> None:
        """Ask at every scrape when these files' certificates end, in seconds since 1970."""
        for file in files:
            self._certificates.labels(file).set_function(partial(end_of, file))

    def called(self, method: str, code: str, took: float | None) -> None:
        """Count a gRPC call; ``took`` is None for a stream, whose length is the client's affair."""
        self._calls.labels(method, code).inc()
        if took is not None:
            self._call_seconds.labels(method).observe(took)
