"""Whether a process is ready for work, decided from observations, without a clock or I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.transitions import DEADLINE_EXCEEDED

_NO_ATTEMPT = frozenset({EventType.CREATED, EventType.CANCELLED, EventType.DELETED})
"""Events that are no evidence of working workers: no attempt has started or ended."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """One reason why a process is not ready: ``code`` is stable, ``message`` is the problem and the remedy."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The queue at one moment, as recorded in the database."""

    runnable: bool
    """Whether a task could start now: pending, due, and not held back by its user's limit of running tasks."""
    running: Mapping[str, int]
    """Tasks that are running, by worker; workers without any are left out."""

    def free_slots(self, worker: str | None, slots: int) -> bool:
        """Return whether ``worker``, which has ``slots``, should have a free one; for None, any worker.

        The slots of other workers are unknown, so a process without a worker only checks whether any task runs.
        """
        if worker is None:
            return not self.running
        return self.running.get(worker, 0) < slots


@dataclass(slots=True)
class StallDetector:
    """Measures how long runnable tasks and free slots have coexisted without an attempt.

    ``longest_step`` is the most, in seconds, that one observation adds: after a freeze of this process, the time in
    between is unknown.
    """

    longest_step: float
    stalled: float = field(default=0.0, init=False)
    """Seconds."""
    _attempts: int = field(default=0, init=False)
    _seen: int | None = field(default=None, init=False)
    _observed: float | None = field(default=None, init=False)

    def on_events(self, events: Sequence[TaskEvent]) -> None:
        """Count attempts that started or ended."""
        self._attempts += sum(map(_of_attempt, events))

    def observe(self, now: float, *, runnable: bool, free_slots: bool) -> None:
        """Record one observation of the queue; ``now`` is in seconds of a monotonic clock."""
        moved = self._seen != self._attempts
        if moved or not (runnable and free_slots) or self._observed is None:
            self.stalled = 0.0
        else:
            self.stalled += min(now - self._observed, self.longest_step)
        self._seen, self._observed = self._attempts, now


def _of_attempt(event: TaskEvent) -> bool:
    """Return whether an attempt started or ended; a task whose deadline passes fails without one."""
    error = event.task.error
    overdue = event.type is EventType.FAILED and error is not None and error.code == DEADLINE_EXCEEDED
    return event.type not in _NO_ATTEMPT and not overdue


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Observations of one process."""

    stalled: float = 0.0
    """Seconds; see `StallDetector`."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Why writes fail, by target: ``database``, ``images``; targets that accept writes are left out."""
    refused: str | None = None
    """Why the image store must not be used with this database; None if they match or the match is unknown."""
    free_bytes: Mapping[str, int] = field(default_factory=dict)
    """Free space by folder: of those that this process writes to and can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Thresholds from which a process is not ready."""

    stalled: float
    """Seconds."""
    free_bytes: int


def not_ready(observed: Observation, limits: Limits) -> tuple[NotReady, ...]:
    """Return the reasons why a process is not ready; empty if it is ready."""
    reasons = [NotReady(f"{target}_unavailable", message) for target, message in sorted(observed.rejected.items())]
    if observed.refused is not None:
        reasons.append(NotReady("images_refused", observed.refused))
    full = disk_full(observed.free_bytes, limits.free_bytes)
    if full is not None:
        reasons.append(full)
    if observed.stalled >= limits.stalled:
        reasons.append(
            NotReady(
                "queue_stalled",
                f"tasks could run, but for {observed.stalled:.0f} s no attempt has started or ended; "
                "check that a worker is running, and restart one that is stuck",
            )
        )
    return tuple(reasons)


def disk_full(free_bytes: Mapping[str, int], minimum: int) -> NotReady | None:
    """Return that the folder with the least free space has less than ``minimum`` bytes; None if none has less."""
    folder = min(free_bytes, key=free_bytes.__getitem__, default=None)
    if folder is None or free_bytes[folder] >= minimum:
        return None
    return NotReady(
        "disk_full",
        f"{folder} has {free_bytes[folder] // 2**20} MiB free, "
        f"less than the minimum of {minimum // 2**20} MiB; free space",
    )
