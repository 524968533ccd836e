"""Retention deletes and keeps the right events, and readers can detect the deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import cast

import pytest

from generator_service.domain.cursor import UserCursor
from generator_service.domain.errors import CursorGap, GapReason
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import TaskState
from generator_service.notifier.local import LocalNotifier
from generator_service.store import compaction
from generator_service.store.contract import Retention
from generator_service.store.unit_of_work import UnitOfWork
from generator_service.watch.feed import (
    Batch,
    Bookmark,
    Feeds,
    SnapshotBegin,
    SnapshotEnd,
    WatchRequest,
    check_cursor,
)
from generator_service.watch.ring import EventRing
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import Scope, Watchers
from tests.support.store import StoreHarness, counters, new_task, read_log, whole_snapshot

KEEP_3 = Retention(events_for=timedelta(hours=24), events_per_user=3)


async def _all_kept_above(desk: StoreHarness, user: str) -> tuple[int, list[int]]:
    """Read the retained part of a user's log; check that it is complete above the compacted position."""
    page = await desk.store.user_events_after(user, 0, limit=1000)
    seqs = [event.seq for event in page.events]
    assert seqs == list(range(page.head.compacted + 1, page.head.position + 1))
    return page.head.compacted, seqs


async def test_events_older_than_a_day_go_but_the_last_of_each_user_stay(desk: StoreHarness) -> None:
    for _ in range(10):
        await desk.add("ann")
    for _ in range(2):
        await desk.add("bob")
    assert await desk.store.compact(KEEP_3) == 0, "nothing is old yet"
    desk.clock.advance(timedelta(hours=24))
    assert await desk.store.compact(KEEP_3) == 0, "exactly a day is kept"
    desk.clock.advance(timedelta(microseconds=1))
    assert await desk.store.compact(KEEP_3) == 7
    assert await desk.store.compact(KEEP_3) == 0
    assert await _all_kept_above(desk, "ann") == (7, [8, 9, 10])
    assert await _all_kept_above(desk, "bob") == (0, [1, 2])


async def test_recent_events_stay_however_many(desk: StoreHarness) -> None:
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(hours=20))
    for _ in range(10):
        await desk.add()
    desk.clock.advance(timedelta(hours=20))
    assert await desk.store.compact(KEEP_3) == 5
    assert await _all_kept_above(desk, "ann") == (5, list(range(6, 16)))


async def test_users_of_whom_nothing_may_go_are_not_looked_at(
    desk: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To lock and read each of a thousand busy users took a second, in which nothing else was written."""
    for user in ("ann", "bob"):
        for _ in range(5):
            await desk.add(user)
    desk.clock.advance(timedelta(hours=23))
    compacted = []

    def compact_user(_uow: UnitOfWork, user_id: str, *_limits: object) -> int:
        compacted.append(user_id)
        return 0

    monkeypatch.setattr(compaction, "_compact_user", compact_user)
    assert await desk.store.compact(KEEP_3) == 0
    assert compacted == []
    desk.clock.advance(timedelta(hours=2))
    await desk.store.compact(KEEP_3)
    assert set(compacted) == {"ann", "bob"}


async def test_only_a_whole_beginning_goes_though_the_clock_ran_backwards(desk: StoreHarness) -> None:
    await desk.add()
    desk.clock.step(timedelta(hours=48))
    await desk.add()
    desk.clock.step(timedelta(hours=-48))
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(hours=30))
    # Seqs 1 and 3 to 4 are old and beyond the last three, yet 2 is before 3.
    assert await desk.store.compact(KEEP_3) == 1
    assert await _all_kept_above(desk, "ann") == (1, [2, 3, 4, 5, 6, 7])


async def test_the_whole_log_says_up_to_where_it_has_holes(desk: StoreHarness) -> None:
    for user in ("bob", "ann", "ann", "bob", "ann", "ann", "ann"):
        await desk.add(user)
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(KEEP_3) == 2
    log, head = await read_log(desk.store)
    assert (head.compacted, head.position) == (3, 7)
    assert [event.revision for event in log] == [1, 4, 5, 6, 7], "those of bob are few enough to stay"
    assert (await desk.store.events_after(3, limit=10)).head.compacted == 3


async def test_compaction_in_chunks_does_all_of_it(desk: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACT_CHUNK", 4)
    for user in ("ann", "bob", "cho"):
        for _ in range(9):
            await desk.add(user)
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(KEEP_3) == 18
    for user in ("ann", "bob", "cho"):
        assert await _all_kept_above(desk, user) == (6, [7, 8, 9])


async def test_numbers_go_on_after_compaction(desk: StoreHarness) -> None:
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(days=2))
    await desk.store.compact(Retention(events_per_user=0))
    assert await _all_kept_above(desk, "ann") == (5, [])
    assert (await desk.add()).seq == 6
    assert [event.revision for event in (await desk.store.latest_events(5)).events] == [6]


async def test_compaction_touches_no_task(desk: StoreHarness) -> None:
    await desk.ended()
    await desk.running()
    before = (await whole_snapshot(desk.store)).tasks
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(Retention(events_per_user=0)) > 0
    assert (await whole_snapshot(desk.store)).tasks == before


async def test_old_finished_tasks_are_found_oldest_first(desk: StoreHarness) -> None:
    first = await desk.ended()
    await desk.add("waits")
    cutoff = desk.clock.advance(timedelta(days=1))
    second = await desk.store.cancel((await desk.add("bob")).task_id, None)
    later = desk.clock.advance(timedelta(days=1))
    assert await desk.store.finished_before(cutoff, limit=10) == [first]
    assert await desk.store.finished_before(later, limit=10) == [first, second]
    assert await desk.store.finished_before(later, limit=1) == [first]
    assert second.finished_at is not None
    assert await desk.store.finished_before(second.finished_at, limit=10) == [first], "before means before"


async def test_no_event_is_kept_for_longer_than_a_task_is(desk: StoreHarness) -> None:
    keep = Retention(events_for=timedelta(hours=24), events_per_user=1000, tasks_for=timedelta(days=30))
    for _ in range(3):
        await desk.add("ann")
    await desk.add("bob")
    desk.clock.advance(timedelta(days=10))
    await desk.add("ann")
    desk.clock.advance(timedelta(days=20))
    assert await desk.store.compact(keep) == 0, "exactly that long is kept"
    desk.clock.advance(timedelta(microseconds=1))
    assert await desk.store.compact(keep) == 4
    assert await desk.store.compact(keep) == 0
    assert await _all_kept_above(desk, "ann") == (3, [4])
    assert await _all_kept_above(desk, "bob") == (1, [])
    assert (await desk.store.latest_events(10)).head.compacted == 4
    assert len((await whole_snapshot(desk.store)).tasks) == 5


async def test_a_user_without_tasks_is_deleted_with_all_events(desk: StoreHarness) -> None:
    first, second = await desk.ended("ann"), await desk.ended("ann")
    await desk.add("bob")
    await desk.store.forget([first.task_id])
    assert set(await counters(desk.store)) == {"ann", "bob"}, "one task is left"
    await desk.store.forget([second.task_id])
    assert set(await counters(desk.store)) == {"bob"}
    log, head = await read_log(desk.store)
    assert [(event.user_id, event.revision) for event in log] == [("bob", 7)]
    assert (head.position, head.compacted) == (7, 6)


async def test_no_cursor_of_a_deleted_user_fits_the_log_of_one_who_comes_back(desk: StoreHarness) -> None:
    ended = await desk.ended("ann")
    await desk.add("bob")
    epoch = (await desk.store.latest_events(1)).head.epoch
    await desk.store.forget([ended.task_id])

    def read(seq: int) -> GapReason | None:
        try:
            check_cursor(UserCursor(epoch, seq), page.head)
        except CursorGap as gap:
            return gap.reason
        return None

    page = await desk.store.user_events_after("ann", 0, limit=10)
    assert [read(seq) for seq in range(5)] == [GapReason.CURSOR_TOO_OLD] * 3 + [None, GapReason.CURSOR_IN_FUTURE]
    assert [(await desk.add("ann")).seq for _ in range(3)] == [4, 5, 6]
    page = await desk.store.user_events_after("ann", 0, limit=10)
    # Seq 3 was the last one: a reader at seq 3 missed nothing.
    assert [read(seq) for seq in range(5)] == [GapReason.CURSOR_TOO_OLD] * 3 + [None, None]
    assert await _all_kept_above(desk, "ann") == (3, [4, 5, 6])


async def test_logs_that_begin_later_begin_where_a_watcher_expects_it(desk: StoreHarness) -> None:
    ended = await desk.ended("ann")
    await desk.store.forget([ended.task_id])
    head = (await desk.store.user_events_after("new", 0, limit=1)).head
    assert (await desk.add("new")).seq == head.position + 1
    assert (await desk.add("old")).seq == head.position + 1


async def test_a_user_who_submits_in_the_moment_of_being_deleted_stays(desk: StoreHarness) -> None:
    ended = await desk.ended("ann")
    with desk.commits.held():
        first = asyncio.create_task(desk.add("bob"))
        await desk.commits.stuck()
        batch = [
            asyncio.ensure_future(desk.store.forget([ended.task_id])),
            asyncio.ensure_future(desk.add("ann")),
        ]
        await asyncio.sleep(0)
    await asyncio.gather(first, *batch)
    assert await _all_kept_above(desk, "ann") == (0, [1, 2, 3, 4])
    assert (await counters(desk.store))["ann"] == (1, 0)


async def test_a_watcher_whose_log_begins_later_than_expected_gets_a_snapshot(desk: StoreHarness) -> None:
    """It was created before another user was deleted, and its first event after that."""
    ended = await desk.ended("ann")
    wake = LocalNotifier(asyncio.get_running_loop())
    watchers, ring = Watchers(100), EventRing(100)

    async def never() -> None:
        raise AssertionError("the log is whole")

    tail = LogTail(desk.store, wake, listeners=[ring.extend, watchers.push], on_gap=never)
    await tail.start(prefill=100)
    feeds = Feeds(desk.store, tail, ring, watchers, lambda task: task)
    feed = feeds.watch(WatchRequest(scope=Scope("new")))
    async with aclosing(cast("AsyncGenerator[Batch, None]", feed)) as batches:
        assert (await anext(batches)).items == [Bookmark(caught_up=True)]
        await desk.store.forget([ended.task_id])
        task = await desk.add("new")
        await tail.catch_up()
        items = [item for _ in range(4) for item in (await anext(batches)).items]
        assert items == [
            SnapshotBegin(GapReason.CURSOR_TOO_OLD),
            task,
            SnapshotEnd(1),
            Bookmark(caught_up=True),
        ]
        again = await desk.add("new")
        await tail.catch_up()
        (event,) = (await anext(batches)).items
        assert isinstance(event, TaskEvent)
        assert event.task == again


async def test_only_terminal_tasks_can_be_forgotten_and_their_events_stay(desk: StoreHarness) -> None:
    ended = await desk.ended()
    running = await desk.running()
    waiting = await desk.add()
    log, _ = await read_log(desk.store)
    await desk.store.forget([ended.task_id, running.task_id, waiting.task_id, 999])
    await desk.store.forget([])
    assert [task.task_id for task in (await whole_snapshot(desk.store)).tasks] == [running.task_id, waiting.task_id]
    assert (await read_log(desk.store))[0] == log


async def test_a_forgotten_id_never_comes_again(desk: StoreHarness) -> None:
    ended = await desk.ended()
    await desk.store.forget([ended.task_id])
    again = (await desk.store.enqueue(new_task())).task
    assert again.task_id > ended.task_id
    assert again.state is TaskState.PENDING
