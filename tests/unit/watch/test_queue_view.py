"""Places as claims will find them, and times from what pictures really took."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Engine, Progress, Task, TaskState
from generator_service.watch import queue_view
from generator_service.watch.queue_view import QueueView
from tests.support.clock import SettableClock
from tests.support.store import LEASE, RESULT, new_task

SECOND = timedelta(seconds=1)


class Queue:
    """A view, and the log that it is told."""

    def __init__(self, slots: int = 1) -> None:
        self.clock = SettableClock()
        self.view = QueueView(self.clock, slots)
        self.events: list[TaskEvent] = []

    def tell(self, event: EventType, task: Task) -> Task:
        """Tell an event, and let time pass, so that places are ranked again."""
        task = replace(task, seq=len(self.events) + 1)
        self.events.append(TaskEvent(revision=task.seq, type=event, task=task))
        self.view.fold(self.events[-1:])
        self.clock.advance(queue_view.RANK_EVERY)
        return task

    def add(self, user: str = "ann", *, priority: int = 0, megapixels: float = 1.0) -> Task:
        """Submit."""
        new = new_task(user, priority=priority)
        new = replace(new, input=replace(new.input, width=1000, height=int(1000 * megapixels)))
        task_id = len({event.task.task_id for event in self.events}) + 1
        return self.tell(EventType.CREATED, transitions.create(new, task_id=task_id, at=self.clock.now()))

    def start(self, task: Task) -> Task:
        """Start."""
        at = self.clock.now()
        return self.tell(EventType.STARTED, transitions.start(task, owner="w", lease_for=LEASE, at=at))

    def complete(self, task: Task, *, after: timedelta, engine: Engine = Engine.LOCAL) -> Task:
        """Complete, so long after the start."""
        assert task.started_at is not None
        done = transitions.complete(task, result=replace(RESULT, engine=engine), at=task.started_at + after)
        return self.tell(EventType.COMPLETED, done)

    def places(self, *tasks: Task) -> list[int]:
        """Return their places."""
        return [self.view.place(task.task_id) for task in tasks]


def test_users_take_turns_within_a_priority() -> None:
    queue = Queue()
    a1, a2, a3 = queue.add("ann"), queue.add("ann"), queue.add("ann")
    b1, high = queue.add("bob"), queue.add("ann", priority=5)
    low = queue.add("cho", priority=-1)
    # "high" is ann's first turn, so that bob comes before her next.
    assert queue.places(high, b1, a1, a2, a3, low) == [1, 2, 3, 4, 5, 6]


def test_what_runs_counts_as_a_turn_and_has_no_place() -> None:
    queue = Queue()
    running, waits, other = queue.add("ann"), queue.add("ann"), queue.add("bob")
    queue.start(running)
    assert queue.places(running, other, waits) == [0, 1, 2]


def test_a_task_has_no_place_from_the_moment_it_starts() -> None:
    queue = Queue()
    task = queue.add()
    assert queue.places(task) == [1]
    queue.clock.advance(-queue_view.RANK_EVERY)
    queue.start(task)
    queue.clock.advance(-queue_view.RANK_EVERY)
    assert queue.places(task) == [0]


def test_what_ended_or_was_never_there_has_no_place_and_no_time() -> None:
    queue = Queue()
    task = queue.add()
    queue.tell(EventType.CANCELLED, transitions.cancel(task, at=queue.clock.now()))
    assert queue.places(task) == [0]
    assert (queue.view.remaining_of(task.task_id), queue.view.remaining_of(99)) == (None, None)
    assert list(queue.view.waiting()) == []


def test_a_burst_is_ranked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    ranked: list[object] = []
    rank = queue.view._rank

    def counted(now: datetime) -> None:
        ranked.append(now)
        rank(now)

    monkeypatch.setattr(queue.view, "_rank", counted)
    for _ in range(20):
        task = queue.add()
        queue.clock.advance(-queue_view.RANK_EVERY)
        queue.view.place(task.task_id)
    assert len(ranked) == 1
    queue.clock.advance(queue_view.RANK_EVERY)
    assert queue.places(task) == [20]


def test_an_old_event_changes_nothing() -> None:
    queue = Queue()
    created = queue.add()
    queue.start(created)
    queue.view.fold(queue.events[:1])
    assert queue.view.place(created.task_id) == 0


def test_a_view_starts_from_a_snapshot() -> None:
    queue = Queue()
    task = queue.add()
    fresh = QueueView(queue.clock, 1)
    queue.clock.advance(queue_view.RANK_EVERY)
    fresh.load([task])
    assert fresh.place(task.task_id) == 1


def test_the_time_left_comes_from_measured_durations_of_engine_and_size() -> None:
    queue = Queue()
    assert queue.view.durations.expected(queue.add()) == queue_view.Durations.UNKNOWN
    queue.complete(queue.start(queue.add(megapixels=1)), after=10 * SECOND)
    queue.complete(queue.start(queue.add(megapixels=16)), after=100 * SECOND)
    expected = queue.view.durations.expected
    assert expected(queue.add(megapixels=1.5)) == 10 * SECOND
    assert expected(queue.add(megapixels=14)) == 100 * SECOND
    assert expected(queue.add(megapixels=30)) == 100 * SECOND, "the nearest size that is known"
    queue.complete(queue.start(queue.add(megapixels=1)), after=20 * SECOND)
    assert expected(queue.add(megapixels=1)) == 12 * SECOND, "a running mean: a fifth of the way"
    gemini = queue.add()
    gemini = replace(gemini, options=replace(gemini.options, engine=Engine.GEMINI))
    assert expected(gemini) == queue_view.Durations.UNKNOWN, "another engine's durations say nothing"


def test_who_waits_waits_for_those_before_it_shared_among_the_slots() -> None:
    queue = Queue(slots=2)
    queue.complete(queue.start(queue.add()), after=10 * SECOND)
    running = queue.start(queue.add())
    first, second = queue.add(), queue.add()
    assert running.started_at is not None
    elapsed = queue.clock.now() - running.started_at
    assert queue.view.remaining(running) == 10 * SECOND - elapsed
    one, two = queue.view.remaining(first), queue.view.remaining(second)
    assert one is not None
    assert two is not None
    assert two - one == 10 * SECOND / 2, "one more before it, on two slots"
    assert 10 * SECOND < one <= 10 * SECOND + 10 * SECOND / 2
    queue.clock.advance(60 * SECOND)
    assert queue.view.remaining(running) == SECOND, "longer than expected: believed to be in its last tenth"


def test_a_backoff_is_waited_out() -> None:
    queue = Queue()
    task = queue.add()
    task = queue.tell(EventType.RETRYING, replace(task, run_at=queue.clock.now() + 100 * SECOND))
    remaining = queue.view.remaining(task)
    assert remaining is not None
    assert remaining >= 100 * SECOND - queue_view.RANK_EVERY


def test_a_running_task_is_presented_with_its_latest_progress() -> None:
    queue = Queue()
    task = queue.start(queue.add())
    progress = Progress(
        task_id=task.task_id, user_id="ann", attempt=1, percent=40, stage="matting", updated_at=queue.clock.now()
    )
    queue.view.take_progress(progress)
    shown = queue.view.present(task)
    assert (shown.progress, shown.stage) == (40, "matting")
    assert queue.view.present(replace(task, progress=70)).progress == 70, "progress never falls"
    later = replace(task, attempt=2)
    assert queue.view.present(later) == later, "not that of another attempt"
    done = queue.complete(task, after=SECOND)
    assert queue.view.present(done) == done
    queue.view.take_progress(progress)
    assert queue.view.present(task) == task, "nothing of a task that has ended is kept"


def test_those_who_wait_are_told_place_and_time() -> None:
    queue = Queue()
    first, second = queue.add(), queue.add()
    news = list(queue.view.waiting())
    assert [(each.task_id, each.queue_position, each.stage) for each in news] == [
        (first.task_id, 1, "queued"),
        (second.task_id, 2, "queued"),
    ]
    assert [each.remaining for each in news] == [queue.view.remaining(first), queue.view.remaining(second)]


def test_with_too_many_waiting_no_places_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_view, "RANKED_AT_MOST", 2)
    queue = Queue()
    tasks = [queue.add() for _ in range(3)]
    assert queue.places(*tasks) == [0, 0, 0]
    assert queue.view.remaining(tasks[0]) is None
    assert tasks[0].state is TaskState.PENDING
