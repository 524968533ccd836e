"""The service's condition: queue, readiness and circuit breakers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from whitebg.models.tasks import TaskState, WaitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReadyReason:
    """One reason why the service is not ready."""

    code: str
    """Stable, such as ``queue_stalled`` or ``disk_full``."""
    message: str


class BreakerState(StrEnum):
    """The condition of a circuit breaker."""

    UNKNOWN = "unknown"
    """A condition newer than this client."""
    CLOSED = "closed"
    OPEN = "open"
    """Not used before ``open_until``; tasks that need it wait."""
    HALF_OPEN = "half_open"
    """One task at a time probes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """An engine or the image store that is not in use."""

    name: str
    """``engine:`` and the engine's name, or ``blobs`` for the image store."""
    state: BreakerState
    reason: WaitReason | None
    """Why it opened."""
    message: str
    """The cause, for a person."""
    failing_since: datetime | None
    open_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """Queue, log and watchers at a glance."""

    states: dict[TaskState, int]
    """Kept tasks by state."""
    oldest_pending_age: timedelta
    epoch: str
    head_revision: int
    tail_revision: int
    watchers: int
    ring_events: int
    database_replays: int
    process_started_at: datetime
    ready: bool = False
    """Whether the service is ready for work; False from older services."""
    not_ready_reasons: tuple[NotReadyReason, ...] = ()
    queue_stalled: timedelta = timedelta()
    """For how long tasks could run, without an attempt that started or ended."""
    breakers: tuple[CircuitBreaker, ...] = ()
    """Those that are not closed."""
