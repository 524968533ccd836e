"""An event: one durable state change, numbered for its user and for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from generator_service.domain.batch import Batch
from generator_service.domain.task import Task


class EventType(StrEnum):
    """The transition that an event records."""

    CREATED = "created"
    STARTED = "started"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    UPDATED = "updated"
    """The task still waits, with another priority."""
    SNOOZED = "snoozed"
    DELETED = "deleted"
    """The last event of a task. Its row is removed with it."""
    REVIEWED = "reviewed"
    """The owner decided on the result: `Task.review`."""
    BATCH_FINISHED = "batch_finished"
    """A closed batch has ended; the task is its newest one, and its state has not changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One state change, with the task after it."""

    revision: int
    """Number in the whole log: 1, 2, 3 … without a gap, in commit order."""
    type: EventType
    task: Task
    batch: Batch | None = None
    """The batch that has ended; with BATCH_FINISHED only."""

    @property
    def seq(self) -> int:
        """Number in the user's own log: 1, 2, 3 … without a gap."""
        return self.task.seq

    @property
    def user_id(self) -> str:
        """The task's owner."""
        return self.task.user_id

    @property
    def occurred_at(self) -> datetime:
        """Time of the state change, or of the batch's end."""
        ended = None if self.batch is None else self.batch.finished_at
        return ended or self.task.updated_at
