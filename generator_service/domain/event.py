"""An event: one durable state change, numbered for its user and for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from generator_service.domain.task import Task


class EventType(StrEnum):
    """Which transition an event records."""

    CREATED = "created"
    STARTED = "started"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One state change and the task as it left it."""

    revision: int
    """Place in the whole log: 1, 2, 3 … without a gap, in commit order."""
    type: EventType
    task: Task

    @property
    def seq(self) -> int:
        """Place in the user's own log: 1, 2, 3 … without a gap."""
        return self.task.seq

    @property
    def user_id(self) -> str:
        """The task's owner."""
        return self.task.user_id

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return self.task.updated_at
