"""The store as it should be: a dictionary of tasks, a list of events, and the rules in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from generator_service.domain.event import EventType
from generator_service.domain.task import TERMINAL_STATES, TaskState
from generator_service.store.contract import Limits, Retention

P, R = TaskState.PENDING, TaskState.PROCESSING


@dataclass
class ModelTask:
    """A task, as far as the rules look at it."""

    task_id: int
    user: str
    priority: int
    max_attempts: int
    key: str | None
    fingerprint: str
    run_at: datetime
    state: TaskState = P
    attempt: int = 0
    owner: str | None = None
    expires_at: datetime | None = None
    finished_at: datetime | None = None
    seq: int = 0


@dataclass
class ModelEvent:
    """An event, as far as the rules look at it."""

    revision: int
    type: EventType
    user: str
    seq: int
    task_id: int
    state: TaskState
    at: datetime


@dataclass
class Model:
    """What the store should hold after each step. ``now`` is the clock's time."""

    limits: Limits
    now: datetime
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    log: list[ModelEvent] = field(default_factory=list)
    kept_from: dict[str, int] = field(default_factory=dict)
    """The lowest seq that is still there, by user."""
    compacted: int = 0
    last_id: int = 0

    def of_user(self, user: str, *states: TaskState) -> list[ModelTask]:
        """Return a user's tasks in these states."""
        return [task for task in self.tasks.values() if task.user == user and task.state in states]

    def kept(self) -> list[ModelEvent]:
        """Return the events that are still there."""
        return [event for event in self.log if event.seq >= self.kept_from.get(event.user, 1)]

    def record(self, task: ModelTask, event: EventType, state: TaskState) -> None:
        """Put a task into its next state."""
        task.seq = 1 + max((each.seq for each in self.log if each.user == task.user), default=0)
        task.state = state
        if state is not R:
            task.owner = task.expires_at = None
        if state in TERMINAL_STATES:
            task.finished_at = self.now
        self.log.append(ModelEvent(len(self.log) + 1, event, task.user, task.seq, task.task_id, state, self.now))

    def enqueue(self, user: str, key: str | None, fingerprint: str, priority: int, max_attempts: int) -> str | int:
        """Return the id of the task that stands for the request, or the name of the error."""
        for task in self.tasks.values():
            if key is not None and (task.user, task.key) == (user, key):
                return task.task_id if task.fingerprint == fingerprint else "IdempotencyConflict"
        if len(self.of_user(user, P)) >= self.limits.pending_per_user:
            return "QuotaExceeded"
        self.last_id += 1
        task = ModelTask(self.last_id, user, priority, max_attempts, key, fingerprint, self.now)
        self.tasks[task.task_id] = task
        self.record(task, EventType.CREATED, P)
        return task.task_id

    def claim(self, owner: str, limit: int, lease_for: timedelta) -> list[int]:
        """Return the ids of the tasks that a worker gets, in order."""
        claimed: list[int] = []
        while len(claimed) < limit:
            ready = [
                (-task.priority, len(self.of_user(task.user, R)), task.task_id)
                for task in self.tasks.values()
                if task.state is P
                and task.run_at <= self.now
                and len(self.of_user(task.user, R)) < self.limits.running_per_user
            ]
            if not ready:
                break
            task = self.tasks[min(ready)[2]]
            task.attempt += 1
            task.owner, task.expires_at = owner, self.now + lease_for
            self.record(task, EventType.STARTED, R)
            claimed.append(task.task_id)
        return claimed

    def held(self, task_id: int, owner: str, attempt: int) -> ModelTask | None:
        """Return the task if this worker still holds it."""
        task = self.tasks.get(task_id)
        if task is None or task.state is not R or (task.owner, task.attempt) != (owner, attempt):
            return None
        return task

    def cancel(self, task_id: int, user: str | None) -> str | TaskState:
        """Return the state that the task is in then, or the name of the error."""
        task = self.tasks.get(task_id)
        if task is None or user not in (None, task.user):
            return "TaskNotFound"
        if task.state in TERMINAL_STATES:
            return task.state if task.state is TaskState.CANCELLED else "InvalidTransition"
        self.record(task, EventType.CANCELLED, TaskState.CANCELLED)
        return task.state

    def requeue_expired(self) -> set[int]:
        """Return the ids of the tasks that are taken from their workers."""
        expired = [t for t in self.tasks.values() if t.state is R and t.expires_at and t.expires_at <= self.now]
        for task in sorted(expired, key=lambda task: (task.user, task.task_id)):
            if task.attempt >= task.max_attempts:
                self.record(task, EventType.FAILED, TaskState.FAILED)
            else:
                task.run_at = self.now
                self.record(task, EventType.RETRYING, P)
        return {task.task_id for task in expired}

    def compact(self, retention: Retention) -> int:
        """Return how many events are deleted: of each user the old beginning, but not of its last ones."""
        deleted = 0
        for user in {event.user for event in self.log}:
            of_user = [event for event in self.kept() if event.user == user]
            for event in of_user[: max(0, len(of_user) - retention.events_per_user)]:
                if event.at >= self.now - retention.events_for:
                    break
                self.kept_from[user] = event.seq + 1
                self.compacted = max(self.compacted, event.revision)
                deleted += 1
        return deleted
