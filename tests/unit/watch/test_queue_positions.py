"""Queue positions match the claim order, and time estimates the measured processing times."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from generator_service.domain import transitions
from generator_service.domain.breaker import BLOBS, Breaker, Outage, engine_breaker
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import Routing
from generator_service.domain.task import Progress, Task, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.queue_clock import SteadyClock
from generator_service.watch import queue_positions
from generator_service.watch.position_publisher import PositionUpdates
from generator_service.watch.queue_positions import QueueView
from tests.support.clock import SettableClock
from tests.support.store import LEASE, RESULT, new_task, queue_of

LOCAL = engine_breaker(Engine.LOCAL)
SECOND = timedelta(seconds=1)
TICK = timedelta(milliseconds=200)
"""Time that passes after each event: more than the pause after ranking a short queue."""


class Queue:
    """A queue view and the log that it follows."""

    def __init__(self, slots: int = 1) -> None:
        self.clock = SettableClock()
        self.view = QueueView(self.clock, slots, running_per_user=4, queue_time=self.clock.now)
        self.events: list[TaskEvent] = []

    def tell(self, event: EventType, task: Task) -> Task:
        """Apply an event, and let time pass so that positions are ranked again."""
        task = replace(task, seq=len(self.events) + 1)
        self.events.append(TaskEvent(revision=task.seq, type=event, task=task))
        self.view.fold(self.events[-1:])
        self.clock.advance(TICK)
        return task

    def add(self, user: str = "ann", *, priority: int = 0, megapixels: float = 1.0) -> Task:
        """Submit."""
        new = new_task(user, priority=priority)
        new = replace(new, timeout=600 * SECOND, input=replace(new.input, width=1000, height=int(1000 * megapixels)))
        task_id = len({event.task.task_id for event in self.events}) + 1
        return self.tell(EventType.CREATED, transitions.create(new, task_id=task_id, at=self.clock.now()))

    def start(self, task: Task) -> Task:
        """Start a task."""
        at = self.clock.now()
        return self.tell(EventType.STARTED, transitions.start(task, owner="w", lease_expires_at=at + LEASE, at=at))

    def complete(self, task: Task, *, after: timedelta, engine: Engine = Engine.LOCAL) -> Task:
        """Complete a task after this time since its start."""
        assert task.started_at is not None
        done = transitions.complete(task, result=replace(RESULT, engine=engine), at=task.started_at + after)
        return self.tell(EventType.COMPLETED, done)

    def places(self, *tasks: Task) -> list[int]:
        """Return the queue positions of tasks."""
        return [self.view.place(task.task_id) for task in tasks]


def test_users_take_turns_within_a_priority() -> None:
    queue = Queue()
    a1, a2, a3 = queue.add("ann"), queue.add("ann"), queue.add("ann")
    b1, high = queue.add("bob"), queue.add("ann", priority=5)
    low = queue.add("cho", priority=-1)
    # "high" is ann's first turn, so bob comes before her next.
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
    queue.clock.advance(-TICK)
    queue.start(task)
    queue.clock.advance(-TICK)
    assert queue.places(task) == [0]


def test_what_ended_or_was_never_there_has_no_place_and_no_time() -> None:
    queue = Queue()
    task = queue.add()
    queue.tell(EventType.CANCELLED, transitions.cancel(task, at=queue.clock.now()))
    assert queue.places(task) == [0]
    assert (queue.view.remaining_of(task.task_id), queue.view.remaining_of(99)) == (None, None)
    assert queue.view.position_update(task.task_id, 1) is None


def test_a_burst_is_ranked_once() -> None:
    queue = Queue()
    rankings = []
    for _ in range(20):
        task = queue.add()
        queue.clock.advance(-TICK)
        queue.view.place(task.task_id)
        rankings.append(queue.view.positions)
    assert all(each is rankings[0] for each in rankings)
    queue.clock.advance(TICK)
    assert queue.places(task) == [20]


async def test_a_long_queue_is_ranked_in_slices_and_not_where_events_are_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_positions, "RANKED_AT_ONCE", 5)
    monkeypatch.setattr(queue_positions, "SLICE", 2)
    queue = Queue()
    tasks = [queue.add(f"user {number}") for number in range(5)]
    assert queue.places(*tasks) == [1, 2, 3, 4, 5]
    tasks.append(queue.add())
    assert queue.places(*tasks) == [1, 2, 3, 4, 5, 0], "of the latest ranking"

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await queue.view.rank()
    running.cancel()
    assert turns >= 3, "six tasks in slices of two"
    assert queue.places(*tasks) == [1, 2, 3, 4, 5, 6]


async def test_ranking_a_long_queue_pauses_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_positions, "PAUSE_PER_TASK", SECOND)
    queue = Queue()
    for _ in range(3):
        first = queue.add()
    queue.clock.advance(10 * SECOND)
    await queue.view.rank()
    second = queue.add("bob")
    queue.clock.advance(3 * SECOND - 2 * TICK)
    await queue.view.rank()
    assert second.task_id not in queue.view.positions
    queue.clock.advance(2 * TICK)
    await queue.view.rank()
    assert queue.places(second, first) == [2, 4]


async def test_a_ranking_that_was_overtaken_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_positions, "SLICE", 1)
    monkeypatch.setattr(queue_positions, "RANKED_AT_ONCE", 2)
    queue = Queue()
    first, second, third = queue.add(), queue.add(), queue.add()
    slow = asyncio.create_task(queue.view.rank())
    await asyncio.sleep(0)
    queue.start(first)
    assert queue.places(second, third) == [1, 2]
    await slow
    assert queue.places(second, third) == [1, 2]


def test_an_old_event_changes_nothing() -> None:
    queue = Queue()
    created = queue.add()
    queue.start(created)
    queue.view.fold(queue.events[:1])
    assert queue.view.place(created.task_id) == 0


def test_a_view_starts_from_a_snapshot() -> None:
    queue = Queue()
    task = queue.add()
    fresh = QueueView(queue.clock, 1, running_per_user=4, queue_time=queue.clock.now)
    queue.clock.advance(TICK)
    fresh.load(queue_of(task))
    assert fresh.place(task.task_id) == 1


def test_the_time_left_comes_from_measured_durations_of_engine_and_size() -> None:
    queue = Queue()
    assert queue.view.durations.expected(queue.add()) == queue_positions.Durations.UNKNOWN
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
    assert expected(gemini) == queue_positions.Durations.UNKNOWN, "another engine's durations do not count"


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
    assert remaining >= 100 * SECOND - TICK


def test_a_task_has_a_position_only_once_it_can_run() -> None:
    queue = Queue()
    later, other = queue.add("ann"), queue.add("bob")
    later = queue.tell(EventType.RETRYING, replace(later, run_at=queue.clock.now() + 100 * SECOND))
    assert queue.places(later, other) == [0, 1]
    queue.clock.advance(100 * SECOND)
    assert queue.places(later, other) == [1, 2], "no event signals that it is due"


def test_the_limit_of_a_user_is_part_of_the_order() -> None:
    queue = Queue(slots=6)
    for _ in range(4):
        queue.start(queue.add("ann"))
    queue.start(queue.add("bob"))
    a5, b2 = queue.add("ann"), queue.add("bob")
    # Ann was served less recently than bob, but is at her running limit; the free slot is bob's.
    assert queue.places(a5, b2) == [2, 1]


def test_without_slots_here_the_log_shows_how_many_run_at_once() -> None:
    queue = Queue(slots=0)
    queue.complete(queue.start(queue.add()), after=10 * SECOND)
    waits = queue.add()
    assert queue.view.remaining(waits) is None, "it is unknown whether there is any worker"
    queue.start(queue.add("bob"))
    queue.start(queue.add("cho"))
    first = queue.view.remaining(waits)
    assert first is not None
    later = queue.view.remaining(queue.add("dan"))
    assert later is not None
    assert later - first < 10 * SECOND, "two run at once"


def test_a_step_of_the_wall_clock_changes_no_position_and_no_age() -> None:
    queue = Queue()
    running, waits = queue.start(queue.add()), queue.add()
    queue.complete(queue.start(queue.add("cho")), after=10 * SECOND)
    for step in (-3600 * SECOND, 7200 * SECOND):
        queue.clock.step(step)
        queue.clock.advance(5 * SECOND)
        assert queue.view.oldest_waiting() > timedelta()
        remaining = queue.view.remaining(running)
        assert remaining is not None
        assert timedelta() < remaining <= 10 * SECOND
        newer = queue.add("bob")
        assert queue.places(waits, newer)[1] > 0, "positions are computed again after the step"
    assert 10 * SECOND <= queue.view.oldest_waiting() < 20 * SECOND


def test_the_age_of_the_oldest_task_leaves_out_those_that_can_not_run_yet() -> None:
    queue = Queue()
    assert queue.view.oldest_waiting() == timedelta()
    later = queue.add()
    queue.tell(EventType.RETRYING, replace(later, run_at=queue.clock.now() + 100 * SECOND))
    queue.clock.advance(50 * SECOND)
    assert queue.view.oldest_waiting() == timedelta()
    queue.add("bob")
    queue.clock.advance(60 * SECOND)
    assert queue.view.oldest_waiting() == 60 * SECOND + TICK


def test_a_view_that_starts_later_knows_for_how_long_tasks_have_waited() -> None:
    queue = Queue()
    task = queue.add()
    queue.clock.advance(30 * SECOND)
    fresh = QueueView(queue.clock, 1, running_per_user=4, queue_time=queue.clock.now)
    fresh.load(queue_of(task))
    assert fresh.oldest_waiting() == 30 * SECOND + TICK
    queue.clock.step(-3600 * SECOND)
    fresh.load(queue_of(task))
    queue.clock.advance(SECOND)
    assert fresh.oldest_waiting() == SECOND, "by the clock it was created in the future"


def test_an_attempt_that_seems_longer_than_it_may_be_teaches_nothing() -> None:
    queue = Queue()
    queue.complete(queue.start(queue.add()), after=10 * SECOND)
    task = queue.start(queue.add())
    queue.complete(task, after=3600 * SECOND)
    assert queue.view.durations.expected(task) == 10 * SECOND


def test_the_time_of_a_retry_is_shown_by_the_wall_clock() -> None:
    clock = SettableClock()
    steady = SteadyClock(clock, clock.now())
    view = QueueView(clock, 1, running_per_user=4, queue_time=steady.estimate)
    run_at = steady.estimate() + 30 * SECOND
    assert view.wall_time(run_at) == clock.now() + 30 * SECOND
    clock.step(-3600 * SECOND)
    assert view.wall_time(run_at) == clock.now() + 30 * SECOND
    assert view.wall_time(None) is None


def test_a_task_that_an_open_breaker_keeps_waiting_shows_it_before_its_first_attempt() -> None:
    queue = Queue()
    task = queue.add()
    outage = Outage(
        reason=WaitReason.STORE_UNAVAILABLE,
        code="images_unavailable",
        message="folder images can't be used",
        dependency=BLOBS,
        retry_after=100 * SECOND,
    )
    breaker = Breaker(name=BLOBS).trip(outage, queue.clock.now(), RetryPolicy())
    queue.view.take_breakers({BLOBS: breaker})
    shown = queue.view.present(task)
    assert (shown.wait_reason, shown.stage) == (WaitReason.STORE_UNAVAILABLE, "waiting for image storage")
    assert shown.error is not None
    assert shown.error.message == "folder images can't be used"
    assert shown.run_at == breaker.open_until
    place = queue.view.position_update(task.task_id, 0)
    assert place is not None
    assert place.stage == "waiting for image storage"
    assert place.remaining is not None
    assert place.remaining >= 100 * SECOND
    queue.view.take_breakers({BLOBS: Breaker(name=BLOBS)})
    assert queue.view.present(task) == task


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


def test_an_update_carries_position_and_time() -> None:
    queue = Queue()
    queue.add()
    second = queue.add()
    (position,) = queue.places(second)
    update = queue.view.position_update(second.task_id, position)
    assert update is not None
    assert (update.task_id, update.queue_position, update.stage) == (second.task_id, 2, "queued")
    assert update.remaining == queue.view.remaining(second)


async def test_task_behind_an_open_breaker_has_no_position_and_names_what_it_waits_for() -> None:
    queue = Queue()
    task = queue.add()
    assert queue.places(task) == [1]
    now = queue.clock.now()
    outage = Outage(
        reason=WaitReason.RATE_LIMITED,
        code="rate_limited",
        message="no quota",
        retry_after=30 * SECOND,
        dependency=LOCAL,
    )
    queue.view.take_breakers({LOCAL: Breaker(name=LOCAL).trip(outage, now, RetryPolicy())})
    queue.clock.advance(TICK)
    await queue.view.rank()
    assert queue.view.positions == {task.task_id: 0}
    updates = PositionUpdates()
    assert await updates.choose(queue.view.positions, lambda _: "ann", queue.view.wait_of) == ([task.task_id], False)
    assert await updates.choose(queue.view.positions, lambda _: "ann", queue.view.wait_of) == ([], False)
    update = queue.view.position_update(task.task_id, 0)
    assert update is not None
    assert (update.stage, update.queue_position) == ("waiting for the local engine's quota", 0)
    assert update.remaining is not None
    assert update.remaining > 29 * SECOND
    assert (update.wait_reason, update.run_at) == (WaitReason.RATE_LIMITED, now + 30 * SECOND)
    paused = Breaker(name=LOCAL).pause("moving the disks", now, None)
    queue.view.take_breakers({LOCAL: paused})
    queue.clock.advance(TICK)
    await queue.view.rank()
    assert await updates.choose(queue.view.positions, lambda _: "ann", queue.view.wait_of) == ([task.task_id], False)
    update = queue.view.position_update(task.task_id, 0)
    assert update is not None
    assert (update.stage, update.wait_reason, update.run_at) == ("paused", WaitReason.PAUSED, None)
    queue.view.take_breakers({})
    queue.clock.advance(TICK)
    await queue.view.rank()
    assert await updates.choose(queue.view.positions, lambda _: "ann", queue.view.wait_of) == ([task.task_id], False)
    assert queue.places(task) == [1]
    update = queue.view.position_update(task.task_id, 1)
    assert update is not None
    assert (update.stage, update.wait_reason, update.run_at) == ("queued", None, None)


async def test_task_behind_a_breaker_that_another_task_probes_has_no_position() -> None:
    queue = Queue()
    task = queue.add()
    outage = Outage(
        reason=WaitReason.RATE_LIMITED, code="rate_limited", message="no quota", dependency=LOCAL, retry_after=SECOND
    )
    breaker = Breaker(name=LOCAL).trip(outage, queue.clock.now(), RetryPolicy(base=SECOND))
    queue.clock.advance(2 * SECOND)
    now = queue.clock.now()
    probed = breaker.begin_probe(99, now + LEASE)
    assert Routing().route(task.options.engine, {LOCAL: probed}, now).engine is None, "it can't be claimed"
    queue.view.take_breakers({LOCAL: probed})
    await queue.view.rank()
    assert queue.view.positions == {task.task_id: 0}
    queue.view.take_breakers({LOCAL: probed.end_probe(99)})
    queue.clock.advance(TICK)
    assert queue.places(task) == [1]


async def test_change_right_after_a_ranking_leaves_the_view_outdated_until_the_next() -> None:
    queue = Queue()
    first = queue.add()
    await queue.view.rank()
    assert not queue.view.outdated
    second = replace(first, task_id=2, seq=2)
    queue.view.fold([TaskEvent(revision=2, type=EventType.CREATED, task=second)])
    await queue.view.rank()
    assert queue.view.outdated, "the pause after a ranking is not over"
    queue.clock.advance(TICK)
    await queue.view.rank()
    assert not queue.view.outdated
    assert queue.places(first, second) == [1, 2]
