"""A reference model of the store: a dictionary of tasks, a list of events, and the rules in plain code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from generator_service.domain.breaker import BLOBS, Breaker, Outage, engine_breaker
from generator_service.domain.event import EventType
from generator_service.domain.routing import WaitPolicy
from generator_service.domain.task import TERMINAL_STATES, Review, TaskState
from generator_service.domain.task_options import Engine
from generator_service.store.contract import Retention
from generator_service.store.limits import Limits
from tests.support.clock import NOON

P, R = TaskState.PENDING, TaskState.PROCESSING


@dataclass
class ModelTask:
    """A task, with the fields that the rules use."""

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
    failures: int = 0
    lost: int = 0
    deadline: datetime = NOON
    started_at: datetime = NOON
    batch: str | None = None
    review: Review = Review.OPEN


@dataclass
class ModelEvent:
    """An event, with the fields that the rules use."""

    revision: int
    type: EventType
    user: str
    seq: int
    task_id: int
    state: TaskState
    at: datetime


@dataclass
class Model:
    """The expected content of the store after each step. ``now`` is the clock's time."""

    limits: Limits
    now: datetime
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    log: list[ModelEvent] = field(default_factory=list)
    kept_from: dict[str, int] = field(default_factory=dict)
    """The lowest seq that is retained, by user."""
    last_seq: dict[str, int] = field(default_factory=dict)
    """The latest seq of each user with a row."""
    forgotten: int = 0
    """The highest seq of any deleted user."""
    compacted: int = 0
    last_id: int = 0
    served: dict[str, int] = field(default_factory=dict)
    """Number of each user's latest start; the tests make fewer starts than the credit that a user may save up."""
    waits: WaitPolicy = field(default_factory=WaitPolicy)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    closed: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Batches, and whether each is closed."""
    finished: set[tuple[str, str]] = field(default_factory=set)

    def of_batch(self, key: tuple[str, str]) -> list[ModelTask]:
        """Return a batch's tasks."""
        return [task for task in self.tasks.values() if (task.user, task.batch) == key]

    def settle(self) -> None:
        """Delete batches without tasks, and record the end of each that is closed and has ended; after every step."""
        for key in sorted(self.closed):
            of_batch = self.of_batch(key)
            if not of_batch:
                del self.closed[key]
                self.finished.discard(key)
            elif self.closed[key] and key not in self.finished and all(t.state in TERMINAL_STATES for t in of_batch):
                self.finished.add(key)
                newest = max(of_batch, key=lambda task: task.task_id)
                ended_at = newest.finished_at
                self.record(newest, EventType.BATCH_FINISHED, newest.state)
                newest.finished_at = ended_at

    def close(self, user: str, batch: str) -> str | None:
        """Close a batch; return the name of the error if there is none."""
        if (user, batch) not in self.closed:
            return "BatchNotFound"
        self.closed[user, batch] = True
        return None

    def review(self, task_ids: Collection[int], user: str | None, review: Review) -> list[int]:
        """Record a decision; return the tasks that have it."""
        found = [task for id_ in task_ids if (task := self.tasks.get(id_)) and user in {None, task.user}]
        completed = [task for task in found if task.state is TaskState.COMPLETED]
        for task in completed:
            if task.review is not review:
                task.review, ended_at = review, task.finished_at
                self.record(task, EventType.REVIEWED, task.state)
                task.finished_at = ended_at
        return [task.task_id for task in completed]

    def of_user(self, user: str, *states: TaskState) -> list[ModelTask]:
        """Return a user's tasks in these states."""
        return [task for task in self.tasks.values() if task.user == user and task.state in states]

    def kept(self) -> list[ModelEvent]:
        """Return the retained events."""
        return [event for event in self.log if event.seq >= self.kept_from.get(event.user, 1)]

    def record(self, task: ModelTask, event: EventType, state: TaskState) -> None:
        """Put a task into its next state."""
        if task.state is R and state is not R:
            for name, breaker in self.breakers.items():
                self.breakers[name] = breaker.end_probe(task.task_id)
        task.seq = self.last_seq[task.user] = 1 + self.last_seq.get(task.user, self.forgotten)
        task.state = state
        if state is not R:
            task.owner = task.expires_at = None
        if state in TERMINAL_STATES:
            task.finished_at = self.now
        self.log.append(ModelEvent(len(self.log) + 1, event, task.user, task.seq, task.task_id, state, self.now))

    def enqueue(
        self,
        user: str,
        key: str | None,
        fingerprint: str,
        priority: int,
        max_attempts: int,
        batch: str | None = None,
    ) -> str | int:
        """Return the id of the task for the request, or the name of the error."""
        for task in self.tasks.values():
            if key is not None and (task.user, task.key) == (user, key):
                return task.task_id if task.fingerprint == fingerprint else "IdempotencyConflict"
        if batch is not None and self.closed.get((user, batch)):
            return "BatchClosed"
        if len(self.of_user(user, P)) >= self.limits.pending_per_user:
            return "QuotaExceeded"
        self.last_id += 1
        task = ModelTask(self.last_id, user, priority, max_attempts, key, fingerprint, self.now)
        task.deadline = self.now + timedelta(hours=24)
        task.batch = batch
        self.tasks[task.task_id] = task
        self.record(task, EventType.CREATED, P)
        if batch is not None:
            self.closed.setdefault((user, batch), False)
        return task.task_id

    def claim(self, owner: str, limit: int, lease_for: timedelta) -> list[int]:
        """Return the ids of the claimed tasks, in order."""
        claimed: list[int] = []
        while len(claimed) < limit:
            ready = [
                (-task.priority, self.served.get(task.user, 0), task.task_id)
                for task in self.tasks.values()
                if task.state is P
                and task.run_at <= self.now
                and len(self.of_user(task.user, R)) < self.limits.running_per_user
            ]
            route = self.waits.routing.route(Engine.AUTO, self.breakers, self.now)
            if not ready or route.engine is None:
                break
            task = self.tasks[min(ready)[2]]
            for name in route.probes:
                self.breakers[name] = self.breakers[name].begin_probe(task.task_id, self.now + lease_for)
            task.attempt += 1
            task.started_at = self.now
            task.owner, task.expires_at = owner, self.now + lease_for
            self.record(task, EventType.STARTED, R)
            self.served[task.user] = 1 + max(self.served.values(), default=0)
            claimed.append(task.task_id)
        return claimed

    def held(self, task_id: int, owner: str, attempt: int) -> ModelTask | None:
        """Return the task if this worker still holds it."""
        task = self.tasks.get(task_id)
        if task is None or task.state is not R or (task.owner, task.attempt) != (owner, attempt):
            return None
        return task

    def cancel(self, task_id: int, user: str | None) -> str | TaskState:
        """Return the task's new state, or the name of the error."""
        task = self.tasks.get(task_id)
        if task is None or user not in (None, task.user):
            return "TaskNotFound"
        if task.state in TERMINAL_STATES:
            return task.state if task.state is TaskState.CANCELLED else "InvalidTransition"
        self.record(task, EventType.CANCELLED, TaskState.CANCELLED)
        return task.state

    def requeue_expired(self) -> set[int]:
        """Return the ids of the tasks whose lease expired."""
        expired = [t for t in self.tasks.values() if t.state is R and t.expires_at and t.expires_at <= self.now]
        for task in sorted(expired, key=lambda task: (task.user, task.task_id)):
            task.lost += 1
            if task.lost >= self.waits.lost_leases:
                self.record(task, EventType.FAILED, TaskState.FAILED)
            else:
                task.run_at = self.now
                self.record(task, EventType.SNOOZED, P)
        return {task.task_id for task in expired}

    def snooze(self, task: ModelTask, outage: Outage) -> None:
        """Return a task to the queue, and trip the breaker of its unavailable dependency."""
        task.run_at = self.now
        if (name := outage.dependency) is not None:
            breaker = self.breakers.get(name, Breaker(name=name)).trip(outage, self.now, self.waits.reopen)
            self.breakers[name] = breaker
            task.run_at = breaker.run_at(self.now)
        self.record(task, EventType.SNOOZED, P)

    def complete(self, task: ModelTask, engine: Engine) -> None:
        """Complete a task, and close the breakers of the dependencies that it used."""
        for name in (engine_breaker(engine), BLOBS):
            if name in self.breakers:
                self.breakers[name] = self.breakers[name].succeed(task.started_at)
        self.record(task, EventType.COMPLETED, TaskState.COMPLETED)

    def end_overdue(self) -> set[int]:
        """Return the ids of the tasks that waited too long."""
        overdue = [task for task in self.tasks.values() if task.state is P and task.deadline <= self.now]
        for task in sorted(overdue, key=lambda task: (task.user, task.task_id)):
            self.record(task, EventType.FAILED, TaskState.FAILED)
        return {task.task_id for task in overdue}

    def delete(self, task_ids: Collection[int], user: str | None) -> list[int]:
        """Return the ids of the tasks that are deleted; those that have not ended are cancelled first."""
        found = [self.tasks[id_] for id_ in task_ids if id_ in self.tasks and user in {None, self.tasks[id_].user}]
        for task in found:
            if task.state not in TERMINAL_STATES:
                self.record(task, EventType.CANCELLED, TaskState.CANCELLED)
        for task in found:
            self.record(task, EventType.DELETED, TaskState.CANCELLED)
            del self.tasks[task.task_id]
        return [task.task_id for task in found]

    def forget(self, task_ids: Collection[int]) -> None:
        """Delete tasks, and with a user's last task the user and all their events."""
        users = {self.tasks.pop(task_id).user for task_id in task_ids}
        for user in users - {task.user for task in self.tasks.values()}:
            self.forget_user(user)

    def forget_user(self, user: str) -> None:
        """Delete a user and all their events."""
        self.forgotten = max(self.forgotten, self.last_seq[user])
        of_user = [event.revision for event in self.kept() if event.user == user]
        self.compacted = max([self.compacted, *of_user])
        self.kept_from[user] = self.last_seq.pop(user) + 1

    def compact(self, retention: Retention) -> int:
        """Return the number of deleted events: each user's oldest ones, of the last few only the very old.

        For a user without tasks no last few are spared; the user is deleted with the last event.
        """
        deleted = 0
        for user in {event.user for event in self.log}:
            idle = not self.of_user(user, *TaskState)
            of_user = [event for event in self.kept() if event.user == user]
            for number, event in enumerate(of_user):
                among_the_last = not idle and number >= len(of_user) - retention.events_per_user
                age = max(retention.tasks_for, retention.events_for) if among_the_last else retention.events_for
                if event.at >= self.now - age:
                    break
                self.kept_from[user] = event.seq + 1
                self.compacted = max(self.compacted, event.revision)
                deleted += 1
            if idle and user in self.last_seq and not any(event.user == user for event in self.kept()):
                self.forget_user(user)
        return deleted
