"""The state machine of a task: one table, one function that applies it, and one verb per event.

Each verb returns the task after the event, without side effects. The store handles quotas, numbering and storage;
the servicer handles authorization.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from generator_service.domain.errors import InvalidTransition
from generator_service.domain.event import EventType
from generator_service.domain.task import (
    TERMINAL_STATES,
    NewTask,
    ResultInfo,
    Review,
    Task,
    TaskError,
    TaskState,
    WaitReason,
)
from generator_service.domain.task_options import Engine


@dataclass(frozen=True, slots=True)
class Transition:
    """The states in which an event is allowed, and the state that follows."""

    sources: frozenset[TaskState]
    target: TaskState


DEADLINE_EXCEEDED = "deadline_exceeded"
"""Error code of a task that was still waiting at its deadline."""
DELETED = "deleted"
"""Error code of a deleted task, in its last event. No other error has it: rows and older clients tell by it."""

_P, _R = TaskState.PENDING, TaskState.PROCESSING

TRANSITIONS: dict[EventType, Transition] = {
    EventType.CREATED: Transition(frozenset(), _P),
    EventType.STARTED: Transition(frozenset({_P}), _R),
    EventType.RETRYING: Transition(frozenset({_R}), _P),
    EventType.COMPLETED: Transition(frozenset({_R}), TaskState.COMPLETED),
    EventType.FAILED: Transition(frozenset({_P, _R}), TaskState.FAILED),
    EventType.TIMED_OUT: Transition(frozenset({_R}), TaskState.TIMEOUT),
    EventType.CANCELLED: Transition(frozenset({_P, _R}), TaskState.CANCELLED),
    EventType.SNOOZED: Transition(frozenset({_R}), _P),
    EventType.UPDATED: Transition(frozenset({_P}), _P),
    EventType.REVIEWED: Transition(frozenset({TaskState.COMPLETED}), TaskState.COMPLETED),
    # Clients and releases that don't know deletion show a cancelled task.
    EventType.DELETED: Transition(TERMINAL_STATES, TaskState.CANCELLED),
}


class _Changes(TypedDict, total=False):
    attempt: int
    run_at: datetime | None
    started_at: datetime
    lease_owner: str
    assigned_engine: Engine | None
    lease_expires_at: datetime
    progress: int
    stage: str
    result: ResultInfo | None
    error: TaskError | None
    wait_reason: WaitReason
    failures: int
    lost_leases: int


def transition(task: Task, event: EventType, at: datetime, **changes: Unpack[_Changes]) -> Task:
    """Apply ``event`` to ``task``.

    A task that is not processing holds no lease; one that is not pending has no ``run_at`` and no ``wait_reason``; one
    that is terminal has a ``finished_at``. Times within a task never decrease, even if the clocks of
    two hosts differ.

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
        wait_reason=None,
        lease_owner=None,
        assigned_engine=None,
        lease_expires_at=None,
        attempt_usage=None,
        stage="",
        finished_at=at if way.target.terminal else None,
    )
    return replace(base, **changes)


def create(new: NewTask, *, task_id: int, at: datetime, queue_time: datetime | None = None) -> Task:
    """Create a task, pending and runnable after its delay. Deadlines are in queue time; None stands for ``at``."""
    now = queue_time or at
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
        run_at=now + new.delay if new.delay else None,
        deadline=now + new.delay + new.deadline,
        stage="queued",
        source_task_id=new.source_task_id,
        batch_id=new.batch_id,
    )


def reprioritize(task: Task, *, priority: int, at: datetime) -> Task:
    """Change the priority of a waiting task. Its event is always later than its creation, which distinguishes the two.

    Raises:
        InvalidTransition: the task runs, or has ended.

    """
    return replace(_unmoved(task, EventType.UPDATED, at), priority=priority)


def review(task: Task, *, review: Review, at: datetime) -> Task:
    """Record a decision on the result. Its event is always later than the completion, which distinguishes the two.

    Raises:
        InvalidTransition: the task has no result.

    """
    return replace(_unmoved(task, EventType.REVIEWED, at), review=review)


def _unmoved(task: Task, event: EventType, at: datetime) -> Task:
    """Return a task after an event that leaves its state, strictly later than the event before."""
    way = TRANSITIONS[event]
    if task.state not in way.sources:
        raise InvalidTransition(task.task_id, task.state, way.target)
    return replace(task, updated_at=max(at, task.updated_at + timedelta(microseconds=1)))


def start(task: Task, *, owner: str, lease_expires_at: datetime, at: datetime, engine: Engine | None = None) -> Task:
    """Assign the task to a worker and begin the next attempt."""
    return transition(
        task,
        EventType.STARTED,
        at,
        attempt=task.attempt + 1,
        started_at=max(at, task.updated_at),
        lease_owner=owner,
        assigned_engine=engine,
        lease_expires_at=lease_expires_at,
        progress=0,
        stage="starting",
        error=None,
    )


def retry(task: Task, *, error: TaskError, run_at: datetime, at: datetime) -> Task:
    """Put the task back into the queue after a failed attempt, not to run before ``run_at``."""
    return transition(
        task,
        EventType.RETRYING,
        at,
        error=error,
        run_at=run_at,
        progress=0,
        stage="queued",
        failures=task.failures + 1,
    )


def snooze(
    task: Task, *, reason: WaitReason, error: TaskError, run_at: datetime, at: datetime, stage: str = "queued"
) -> Task:
    """Put the task back into the queue after an attempt that does not count, not to run before ``run_at``."""
    return transition(
        task,
        EventType.SNOOZED,
        at,
        wait_reason=reason,
        error=error,
        run_at=run_at,
        progress=0,
        stage=stage,
        lost_leases=task.lost_leases + (reason is WaitReason.LEASE_LOST),
    )


def complete(task: Task, *, result: ResultInfo, at: datetime) -> Task:
    """End the task with a picture."""
    return transition(task, EventType.COMPLETED, at, result=result, progress=100)


def fail(task: Task, *, error: TaskError, at: datetime) -> Task:
    """End the task without a picture, after a failed attempt."""
    return transition(task, EventType.FAILED, at, error=error, failures=task.failures + 1)


def lose(task: Task, *, at: datetime) -> Task:
    """End a task whose workers were lost repeatedly."""
    lost = task.lost_leases + 1
    error = TaskError(
        code="lease_lost",
        message=f"a worker was lost {lost} times while working on it; "
        "check the workers' logs and memory, then submit the photo again",
        retryable=True,
    )
    return transition(task, EventType.FAILED, at, error=error, lost_leases=lost)


def miss_deadline(task: Task, *, at: datetime) -> Task:
    """End a task that is still waiting at its deadline; the error names the cause of the wait."""
    cause = "no worker was free" if task.error is None else task.error.message
    error = TaskError(
        code=DEADLINE_EXCEEDED,
        message=f"still waiting at its deadline; {cause}",
        retryable=True,
    )
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
    """End a task on request."""
    error = TaskError(code="cancelled", message="cancelled on request", retryable=True)
    return transition(task, EventType.CANCELLED, at, error=error)


def delete(task: Task, *, at: datetime) -> Task:
    """Return an ended task as its last event shows it: without its result."""
    error = TaskError(code=DELETED, message="deleted on request")
    return transition(task, EventType.DELETED, at, error=error, result=None, progress=0)
