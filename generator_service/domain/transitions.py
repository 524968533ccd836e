"""The state machine of a task: one table, one function that applies it, and one verb per event.

Each verb returns the task as the event leaves it, and touches nothing else. Quotas, numbering and storage are
the store's business, who may ask is the servicer's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from generator_service.domain.errors import InvalidTransition
from generator_service.domain.event import EventType
from generator_service.domain.task import NewTask, ResultInfo, Task, TaskError, TaskState


@dataclass(frozen=True, slots=True)
class Transition:
    """An event's way through the states."""

    sources: frozenset[TaskState]
    target: TaskState


_P, _R = TaskState.PENDING, TaskState.PROCESSING

TRANSITIONS: dict[EventType, Transition] = {
    EventType.CREATED: Transition(frozenset(), _P),
    EventType.STARTED: Transition(frozenset({_P}), _R),
    EventType.RETRYING: Transition(frozenset({_R}), _P),
    EventType.COMPLETED: Transition(frozenset({_R}), TaskState.COMPLETED),
    EventType.FAILED: Transition(frozenset({_R}), TaskState.FAILED),
    EventType.TIMED_OUT: Transition(frozenset({_R}), TaskState.TIMEOUT),
    EventType.CANCELLED: Transition(frozenset({_P, _R}), TaskState.CANCELLED),
}


class _Changes(TypedDict, total=False):
    attempt: int
    run_at: datetime | None
    started_at: datetime
    lease_owner: str
    lease_expires_at: datetime
    progress: int
    stage: str
    result: ResultInfo
    error: TaskError | None


def transition(task: Task, event: EventType, at: datetime, **changes: Unpack[_Changes]) -> Task:
    """Apply ``event`` to ``task``.

    A task that is not processing holds no lease; one that is not pending has no ``run_at``; one that is
    terminal has a ``finished_at``. Time never runs backwards within a task, whatever the clocks of two hosts say.

    Raises:
        InvalidTransition: the task's state does not allow the event.

    """
    way = TRANSITIONS[event]
    if task.state not in way.sources:
        raise InvalidTransition(task.task_id, task.state, way.target)
    at = max(at, task.updated_at)
    base = replace(
        task,
        state=way.target,
        updated_at=at,
        run_at=None,
        lease_owner=None,
        lease_expires_at=None,
        stage="",
        finished_at=at if way.target.terminal else None,
    )
    return replace(base, **changes)


def create(new: NewTask, *, task_id: int, at: datetime) -> Task:
    """Make a new task, pending and runnable at once."""
    return Task(
        task_id=task_id,
        user_id=new.user_id,
        state=TRANSITIONS[EventType.CREATED].target,
        options=new.options,
        input=new.input,
        priority=new.priority,
        timeout=new.timeout,
        max_attempts=new.max_attempts,
        created_at=at,
        updated_at=at,
        run_at=at,
        stage="queued",
    )


def start(task: Task, *, owner: str, lease_for: timedelta, at: datetime) -> Task:
    """Give the task to a worker: the next attempt begins."""
    return transition(
        task,
        EventType.STARTED,
        at,
        attempt=task.attempt + 1,
        started_at=max(at, task.updated_at),
        lease_owner=owner,
        lease_expires_at=at + lease_for,
        progress=0,
        stage="starting",
        error=None,
    )


def retry(task: Task, *, error: TaskError, run_at: datetime, at: datetime) -> Task:
    """Put the task back into the queue, not to run before ``run_at``."""
    return transition(task, EventType.RETRYING, at, error=error, run_at=run_at, progress=0, stage="queued")


def complete(task: Task, *, result: ResultInfo, at: datetime) -> Task:
    """End the task with a picture."""
    return transition(task, EventType.COMPLETED, at, result=result, progress=100)


def fail(task: Task, *, error: TaskError, at: datetime) -> Task:
    """End the task without one."""
    return transition(task, EventType.FAILED, at, error=error)


def time_out(task: Task, *, at: datetime) -> Task:
    """End a task whose attempt ran too long."""
    seconds = task.timeout.total_seconds()
    error = TaskError(
        code="timeout",
        message=f"attempt {task.attempt} ran longer than the {seconds:g} s allowed; "
        "send a smaller photo, or submit with a longer timeout",
        retryable=True,
    )
    return transition(task, EventType.TIMED_OUT, at, error=error)


def cancel(task: Task, *, at: datetime) -> Task:
    """End a task because somebody wants it no more."""
    error = TaskError(code="cancelled", message="cancelled on request", retryable=True)
    return transition(task, EventType.CANCELLED, at, error=error)
