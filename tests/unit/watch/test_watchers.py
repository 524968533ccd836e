"""A watcher's queue is bounded, puts events before progress, and loses nothing silently."""

from __future__ import annotations

import asyncio

import pytest

from generator_service.domain.errors import ShuttingDown, SlowConsumer
from generator_service.domain.task import Progress
from generator_service.watch.watchers import PendingUpdates, Scope, Watcher, Watchers
from tests.support.clock import NOON
from tests.unit.watch.log_double import LogDouble


def progress(task_id: int = 1, percent: int = 5, user: str = "ann") -> Progress:
    """Make progress."""
    return Progress(task_id=task_id, user_id=user, attempt=1, percent=percent, stage="matting", updated_at=NOON)


@pytest.fixture
def log() -> LogDouble:
    """Return a log of five new tasks of ann."""
    log = LogDouble()
    for _ in range(5):
        log.create("ann")
    return log


async def test_events_come_in_order_up_to_the_limit_asked_for(log: LogDouble) -> None:
    watcher = Watcher(Scope("ann"), 10)
    for event in log.history:
        watcher.push(event)
    assert await watcher.take(1, 3) == PendingUpdates(log.history[:3], (), 3)
    assert await watcher.take(1, 3) == PendingUpdates(log.history[3:], [], 5)
    assert await watcher.take(0, 3) == PendingUpdates((), (), 5)


async def test_one_event_too_many_cuts_it_off(log: LogDouble) -> None:
    watcher = Watcher(Scope("ann"), 4)
    for event in log.history[:4]:
        watcher.push(event)
    watcher.push(log.history[4])
    for _ in range(2):
        with pytest.raises(SlowConsumer, match="more than 4 events behind"):
            await watcher.take(1, 10)


async def test_at_a_shutdown_all_watchers_end_and_so_do_later_ones() -> None:
    watchers = Watchers(10)
    with watchers.open(Scope("ann")) as early, watchers.open(Scope(None)) as of_all:
        watchers.close()
        with watchers.open(Scope("ann")) as late:
            for watcher in (early, of_all, late):
                with pytest.raises(ShuttingDown):
                    await watcher.take(1, 10)


async def test_of_progress_only_the_latest_per_task_is_kept() -> None:
    watcher = Watcher(Scope("ann"), 2)
    for percent in range(50):
        for task_id in (1, 2, 3):
            watcher.push_progress(progress(task_id, percent))
    news = await watcher.take(1, 10)
    assert news.progress == [progress(1, 49), progress(2, 49)], "without a free slot progress is dropped"


async def test_an_event_of_a_task_outdates_its_progress(log: LogDouble) -> None:
    watcher = Watcher(Scope("ann"), 10)
    watcher.push_progress(progress(1))
    watcher.push_progress(progress(9))
    watcher.push(log.history[0])
    assert await watcher.take(1, 10) == PendingUpdates([log.history[0]], [progress(9)], 1)


async def test_progress_waits_until_the_events_before_it_are_taken(log: LogDouble) -> None:
    watcher = Watcher(Scope("ann"), 10)
    for event in log.history[:2]:
        watcher.push(event)
    watcher.push_progress(progress(1))
    assert (await watcher.take(1, 1)).progress == ()
    assert (await watcher.take(1, 1)).progress == [progress(1)]


async def test_what_is_filtered_out_moves_the_position_and_wakes_nobody(log: LogDouble) -> None:
    watcher = Watcher(Scope("ann", frozenset({1})), 1)
    for event in log.history:
        watcher.push(event)
    watcher.push_progress(progress(2))
    assert await watcher.take(1, 10) == PendingUpdates([log.history[0]], [], 5)


async def test_news_in_the_moment_that_the_time_is_up_are_not_passed_over(log: LogDouble) -> None:
    """The returned position must never be ahead of an event that is still in the queue."""
    watcher = Watcher(Scope("ann"), 10)
    loop = asyncio.get_running_loop()
    timeout = 0.01
    taking = asyncio.create_task(watcher.take(timeout, 10))
    await asyncio.sleep(0)
    # Keep the loop busy past the deadline, with an event on the way in the same turn as the timeout.
    due = loop.time() + 3 * timeout
    loop.call_soon(watcher.push, log.history[0])
    while loop.time() < due:
        pass
    news = await taking
    rest = await watcher.take(0, 10)
    assert [*news.events, *rest.events] == [log.history[0]]
    assert news.events or news.position is None


async def test_watchers_are_told_by_scope_until_they_close(log: LogDouble) -> None:
    watchers = Watchers(10)
    log.create("bob")
    with watchers.open(Scope("bob")) as bob, watchers.open(Scope(None)) as everybody:
        assert (len(watchers), watchers.watched("ann")) == (2, True)
        watchers.push(log.history)
        watchers.push_progress(progress(user="bob"))
        assert await bob.take(1, 10) == PendingUpdates(log.history[5:], [progress(user="bob")], 1)
        assert await everybody.take(1, 10) == PendingUpdates(log.history, [progress(user="bob")], 6)
    with watchers.open(Scope("bob")):
        assert (watchers.watched("bob"), watchers.watched("ann")) == (True, False)
    assert (len(watchers), watchers.watched("bob")) == (0, False)


async def test_all_can_be_resynced_at_once(log: LogDouble) -> None:
    watchers = Watchers(10)
    with watchers.open(Scope("ann")) as ann, watchers.open(Scope(None)) as everybody:
        watchers.push(log.history)
        watchers.push_progress(progress())
        watchers.resync_all()
        assert await ann.take(60, 10) == PendingUpdates((), (), None, resync=True)
        assert await ann.take(0, 10) == PendingUpdates((), (), None), (
            "what came before the gap is void, its position too"
        )
        watchers.push(log.history[:1])
        assert await everybody.take(60, 10) == PendingUpdates((), (), None, resync=True)
        for watcher in (ann, everybody):
            assert await watcher.take(60, 10) == PendingUpdates(log.history[:1], [], 1)


async def test_watchers_of_all_users_are_hinted_once_at_changes_without_events(log: LogDouble) -> None:
    watchers = Watchers(limit=10)
    with watchers.open(Scope("ann")) as ann, watchers.open(Scope(None)) as everybody:
        watchers.push_queue_change()
        watchers.push_queue_change()
        assert await everybody.take(60, 10) == PendingUpdates([], [], None, queue_changed=True)
        assert await everybody.take(0, 10) == PendingUpdates((), (), None)
        assert await ann.take(0, 10) == PendingUpdates((), (), None)

        watchers.push(log.history)
        watchers.push_queue_change()
        assert (await everybody.take(60, 2)).queue_changed
        watchers.resync_all()
        watchers.push_queue_change()
        assert await everybody.take(60, 10) == PendingUpdates((), (), None, resync=True, queue_changed=True)
