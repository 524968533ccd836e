"""The whole table of transitions, and random walks through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain import transitions
from generator_service.domain.errors import InvalidTransition
from generator_service.domain.event import EventType
from generator_service.domain.task import TERMINAL_STATES, Review, Task, TaskError, TaskState, WaitReason
from generator_service.domain.transitions import TRANSITIONS
from tests.support.clock import NOON
from tests.support.store import LEASE, RESULT, new_task

ERROR = TaskError(code="busy", message="is busy", retryable=True)
P, R = TaskState.PENDING, TaskState.PROCESSING

VERBS: dict[EventType, Callable[[Task, datetime], Task]] = {
    EventType.STARTED: lambda task, at: transitions.start(task, owner="w", lease_expires_at=at + LEASE, at=at),
    EventType.RETRYING: lambda task, at: transitions.retry(task, error=ERROR, run_at=at + LEASE, at=at),
    EventType.COMPLETED: lambda task, at: transitions.complete(task, result=RESULT, at=at),
    EventType.FAILED: lambda task, at: transitions.fail(task, error=ERROR, at=at),
    EventType.TIMED_OUT: lambda task, at: transitions.time_out(task, at=at),
    EventType.CANCELLED: lambda task, at: transitions.cancel(task, at=at),
    EventType.SNOOZED: lambda task, at: transitions.snooze(
        task, reason=WaitReason.LEASE_LOST, error=ERROR, run_at=at + LEASE, at=at
    ),
    EventType.UPDATED: lambda task, at: transitions.reprioritize(task, priority=task.priority + 1, at=at),
    EventType.REVIEWED: lambda task, at: transitions.review(task, review=Review.ACCEPTED, at=at),
    EventType.DELETED: lambda task, at: transitions.delete(task, at=at),
}
ALLOWED = {
    (P, EventType.STARTED): R,
    (P, EventType.UPDATED): P,
    (P, EventType.CANCELLED): TaskState.CANCELLED,
    (P, EventType.FAILED): TaskState.FAILED,
    (R, EventType.RETRYING): P,
    (R, EventType.SNOOZED): P,
    (R, EventType.COMPLETED): TaskState.COMPLETED,
    (R, EventType.FAILED): TaskState.FAILED,
    (R, EventType.TIMED_OUT): TaskState.TIMEOUT,
    (R, EventType.CANCELLED): TaskState.CANCELLED,
    (TaskState.COMPLETED, EventType.REVIEWED): TaskState.COMPLETED,
    **{(state, EventType.DELETED): TaskState.CANCELLED for state in TERMINAL_STATES},
}


def fresh() -> Task:
    """Make a new task."""
    return transitions.create(new_task(), task_id=1, at=NOON)


def in_state(state: TaskState) -> Task:
    """Make a task that reached a state by allowed transitions."""
    task = fresh()
    if state is P:
        return task
    if state is TaskState.CANCELLED:
        return transitions.cancel(task, at=NOON)
    running = VERBS[EventType.STARTED](task, NOON)
    ways = {TaskState.COMPLETED: EventType.COMPLETED, TaskState.FAILED: EventType.FAILED}
    return running if state is R else VERBS[ways.get(state, EventType.TIMED_OUT)](running, NOON)


@pytest.mark.parametrize("event", VERBS)
@pytest.mark.parametrize("state", TaskState)
def test_every_event_in_every_state(state: TaskState, event: EventType) -> None:
    task = in_state(state)
    assert task.state is state
    target = ALLOWED.get((state, event))
    if target is None:
        with pytest.raises(InvalidTransition, match=f"task 1 is {state}; it can't become"):
            VERBS[event](task, NOON)
    else:
        assert VERBS[event](task, NOON).state is target


def test_the_table_has_all_events_and_no_way_out_of_an_end() -> None:
    assert set(TRANSITIONS) == {*VERBS, EventType.CREATED}
    assert set(EventType) - set(TRANSITIONS) == {EventType.BATCH_FINISHED}, "which changes no task"
    leaves_an_end = {event for event, way in TRANSITIONS.items() if way.sources & TERMINAL_STATES}
    assert leaves_an_end == {EventType.DELETED, EventType.REVIEWED}, "the task is gone, or keeps its state"
    assert {way.target for way in TRANSITIONS.values()} == set(TaskState), "every state can be reached"


def check_shape(task: Task) -> None:
    """Check the invariants of the fields in each state."""
    assert (task.lease_owner is not None) == (task.lease_expires_at is not None) == (task.state is R)
    assert task.run_at is None or task.state is P
    assert task.wait_reason is None or task.state is P
    assert (task.finished_at is not None) == task.state.terminal == (task.state in TERMINAL_STATES)
    assert (task.result is not None) == (task.state is TaskState.COMPLETED)
    assert task.error is not None or task.state not in {TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED}
    assert task.progress == 100 or task.state is not TaskState.COMPLETED
    assert 0 <= task.progress <= 100


STEPS = st.lists(st.tuples(st.sampled_from(list(VERBS)), st.integers(-3600, 3600)), max_size=20)


@given(STEPS)
def test_on_any_walk_ends_are_final_time_never_runs_back_and_attempts_count_starts(
    steps: list[tuple[EventType, int]],
) -> None:
    task, starts = fresh(), 0
    check_shape(task)
    for event, seconds in steps:
        before = replace(task)
        at = NOON + timedelta(seconds=seconds)
        if (task.state, event) not in ALLOWED:
            with pytest.raises(InvalidTransition):
                VERBS[event](task, at)
            assert task == before
            continue
        assert not task.state.terminal or event in {EventType.DELETED, EventType.REVIEWED}
        task = VERBS[event](task, at)
        starts += event is EventType.STARTED
        assert task.failures == before.failures + (event in {EventType.RETRYING, EventType.FAILED})
        assert task.lost_leases == before.lost_leases + (event is EventType.SNOOZED)
        check_shape(task)
        # Updates and reviews are later than the event before, by which the log distinguishes them from it.
        least = before.updated_at + timedelta(microseconds=event in {EventType.UPDATED, EventType.REVIEWED})
        assert task.updated_at == max(least, at)
        if event is EventType.REVIEWED:
            assert (task.finished_at, task.result) == (before.finished_at, before.result)
        assert task.attempt == starts
        assert task.started_at is None or task.created_at <= task.started_at <= task.updated_at
        given_at_birth = ("task_id", "user_id", "options", "input", "timeout", "max_attempts", "created_at")
        assert task.priority == before.priority + (event is EventType.UPDATED)
        assert all(getattr(task, name) == getattr(before, name) for name in given_at_birth)


def test_a_new_attempt_forgets_what_became_of_the_last() -> None:
    waiting = VERBS[EventType.RETRYING](in_state(R), NOON)
    assert (waiting.error, waiting.progress) == (ERROR, 0)
    again = VERBS[EventType.STARTED](waiting, NOON)
    assert (again.error, again.progress, again.attempt) == (None, 0, 2)


def test_a_missed_deadline_names_what_the_task_waited_for() -> None:
    at = NOON + timedelta(hours=24)
    ended = transitions.miss_deadline(fresh(), at=at)
    assert ended.error is not None
    assert (ended.state, ended.error.code) == (TaskState.FAILED, "deadline_exceeded")
    assert ended.error.message == "still waiting at its deadline; no worker was free"
    waiting = transitions.miss_deadline(VERBS[EventType.SNOOZED](in_state(R), NOON), at=at)
    assert waiting.error is not None
    assert waiting.error.message == "still waiting at its deadline; is busy"
    assert waiting.failures == 0


def test_only_a_held_task_has_a_lease_to_show() -> None:
    assert in_state(R).lease.attempt == 1
    with pytest.raises(ValueError, match="task 1 is pending, nobody holds it"):
        _ = in_state(P).lease
