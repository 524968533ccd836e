"""Positions are published at a bounded rate, fairly, and only when they change visibly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Progress
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier
from generator_service.watch.position_publisher import (
    BURST,
    EXACT,
    FIRST_PER_USER,
    INTERVAL_SECONDS,
    PER_INTERVAL,
    PER_USER,
    PositionUpdates,
    publish_queue_positions,
    visible,
)
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.watchers import Scope, Watchers
from tests.support.clock import NOON
from tests.support.store import LEASE, new_task
from tests.support.virtual_time import run_in_virtual_time


def places(task_ids: Sequence[int]) -> dict[int, int]:
    return {task_id: place for place, task_id in enumerate(task_ids, start=1)}


@pytest.mark.parametrize(
    ("position", "seen"),
    [
        (1, 1),
        (10, 10),
        (11, 12),
        (12, 12),
        (13, 14),
        (20, 20),
        (21, 25),
        (51, 60),
        (101, 120),
        (999, 1000),
        (1001, 1200),
    ],
)
def test_what_counts_as_a_change(position: int, seen: int) -> None:
    assert visible(position) == seen


@given(st.integers(1, 10**6))
def test_a_position_is_never_shown_smaller_nor_a_quarter_larger(position: int) -> None:
    assert position <= visible(position) < position * 1.25
    assert visible(position) <= visible(position + 1)
    assert visible(visible(position)) == visible(position)


async def test_what_did_not_change_visibly_is_not_published_again() -> None:
    updates = PositionUpdates()
    tasks = list(range(1, 21))
    owner = {task_id: f"user {task_id}" for task_id in tasks}.get
    assert (await updates.choose(places(tasks), owner))[0] == tasks
    assert await updates.choose(places(tasks), owner) == ([], False)
    # One has started; from position 10 on, only every second position is a visible change.
    chosen, more = await updates.choose(places(tasks[1:]), owner)
    assert chosen[:EXACT] == tasks[1 : EXACT + 1]
    assert len(chosen) == EXACT + 4
    assert not more


async def test_one_user_with_a_long_queue_gets_few_updates_and_each_task_has_its_turn() -> None:
    updates = PositionUpdates()
    tasks = list(range(600))
    published: Counter[int] = Counter()
    for interval in range(60):
        chosen, more = await updates.choose(places(tasks), lambda _: "ann")
        assert len(chosen) <= EXACT + (FIRST_PER_USER if interval < 600 / FIRST_PER_USER else PER_USER)
        assert more
        assert chosen[: min(EXACT, len(chosen))] == tasks[:EXACT], "every change near the head is published"
        published.update(chosen)
        del tasks[:4]
    assert all(published[task_id] for task_id in tasks), "no task waits for ever"


async def test_a_hundred_new_tasks_have_a_position_after_two_intervals() -> None:
    updates = PositionUpdates()
    tasks = list(range(1, 101))
    first, _ = await updates.choose(places(tasks), lambda _: "ann")
    second, more = await updates.choose(places(tasks), lambda _: "ann")
    assert sorted(first + second) == tasks
    assert not more


async def test_all_users_share_the_updates_of_an_interval() -> None:
    updates = PositionUpdates()
    tasks = list(range(19_000))
    owner = {task_id: f"user {task_id % 190}" for task_id in tasks}
    of_user: Counter[str] = Counter()
    for _ in range(30):
        chosen, more = await updates.choose(places(tasks), owner.get)
        assert len(chosen) <= PER_INTERVAL
        assert more
        of_user.update(owner[task_id] for task_id in chosen)
        del tasks[:4]
    assert len(of_user) == 190
    assert max(of_user.values()) - min(of_user.values()) <= 2 * PER_USER + EXACT


async def test_what_nobody_watches_is_not_published_until_somebody_does() -> None:
    updates = PositionUpdates()
    tasks = list(range(5))
    assert await updates.choose(places(tasks), lambda _: None) == ([], False)
    assert await updates.choose(places(tasks), lambda task_id: "ann" if task_id == 3 else None) == ([3], False)
    assert await updates.choose({}, lambda _: "ann") == ([], False)


class LoopClock:
    """The event loop's time, which is virtual here."""

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class RecordedWatchers(Watchers):
    """Watchers that record when updates were sent."""

    def __init__(self) -> None:
        super().__init__(limit=1000)
        self.sent: list[tuple[float, Progress]] = []

    def push_progress(self, progress: Progress) -> None:
        self.sent.append((asyncio.get_running_loop().time(), progress))
        super().push_progress(progress)


async def updates_of_a_busy_queue(tasks: int, seconds: int) -> list[tuple[float, Progress]]:
    """Start one of these waiting tasks of one user every 10 ms; return the published updates with their times."""
    clock, watchers = LoopClock(), RecordedWatchers()
    wake = LocalNotifier(asyncio.get_running_loop())
    view = QueueView(clock, slots=1, running_per_user=tasks, queue_time=clock.now)
    waiting = [transitions.create(new_task(), task_id=number, at=clock.now()) for number in range(1, tasks + 1)]
    view.fold([TaskEvent(revision=task.task_id, type=EventType.CREATED, task=task) for task in waiting])
    with watchers.open(Scope("ann")):
        publishing = asyncio.create_task(publish_queue_positions(wake, view, watchers))
        for number in range(100 * seconds):
            await asyncio.sleep(0.01)
            at = clock.now()
            started = transitions.start(waiting[number], owner="w", lease_expires_at=at + LEASE, at=at)
            view.fold([TaskEvent(revision=tasks + number, type=EventType.STARTED, task=started)])
            wake.notify(Topic.LOG)
        publishing.cancel()
        await asyncio.wait([publishing])
    return watchers.sent


def test_a_queue_that_changes_all_the_time_is_published_once_an_interval_in_bursts() -> None:
    sent = run_in_virtual_time(updates_of_a_busy_queue(tasks=600, seconds=5))
    times = sorted({at for at, _ in sent})
    rounds = [[times[0]]]
    for before, at in pairwise(times):
        if at - before > 0.9 * INTERVAL_SECONDS:
            rounds.append([])
        rounds[-1].append(at)
    assert times[0] >= INTERVAL_SECONDS
    assert 3 <= len(rounds) <= 5
    bursts = Counter(at for at, _ in sent)
    assert max(bursts.values()) <= BURST
    for each in rounds:
        assert sum(bursts[at] for at in each) <= EXACT + FIRST_PER_USER
        assert each[-1] - each[0] < INTERVAL_SECONDS, "the rounds are apart"
