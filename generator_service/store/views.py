"""What a store reads: tasks and events with the head of the log at that moment, so that a reader can go on from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Task, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the log ends, and how far back it reaches.

    ``position`` is the latest revision (or a user's latest seq), 0 for none; ``compacted`` the highest one that
    has been deleted: every event above it is there.
    """

    epoch: str
    position: int
    compacted: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a position, oldest first, and the head they were read at, in one transaction."""

    events: Sequence[TaskEvent]
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPage:
    """Tasks as they stood at one moment of the log, the same for all pages of a snapshot."""

    tasks: Sequence[Task]
    revision: int
    head: Head
    """The head of the user's log, or of the whole log where the snapshot is of all users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """The queue at one revision of the log: what `generator_service.domain.claim_order` needs to go on from there."""

    tasks: Sequence[Task]
    """All tasks that are not terminal, oldest first."""
    revision: int
    started: int
    """Number of the latest start."""
    served: Mapping[str, int]
    """Number of each user's latest start; users are left out who would count as served `CREDIT` starts ago anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of a user's tasks, newest first."""

    tasks: Sequence[Task]
    total: int
    head: Head
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """The queue in figures."""

    by_state: dict[TaskState, int]
