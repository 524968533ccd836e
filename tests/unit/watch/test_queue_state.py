"""The queue's state keeps no more turns than it needs."""

from __future__ import annotations

from datetime import UTC, datetime

from generator_service.domain import transitions
from generator_service.domain.claim_order import CREDIT
from generator_service.domain.event import EventType, TaskEvent
from generator_service.watch.queue_state import QueueState
from tests.support.store import new_task

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_users_who_were_never_served_and_do_not_wait_are_forgotten() -> None:
    state, users = QueueState(), 10 * CREDIT
    for number in range(users):
        created = transitions.create(new_task(f"user-{number}"), task_id=number + 1, at=NOW)
        cancelled = transitions.cancel(created, at=NOW)
        state.apply(TaskEvent(revision=2 * number + 1, type=EventType.CREATED, task=created))
        state.apply(TaskEvent(revision=2 * number + 2, type=EventType.CANCELLED, task=cancelled))
    assert state.known_turns <= 2 * CREDIT + 2
