"""Feeds, case by case; `test_feed_properties` covers every order of operations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from generator_service.domain.cursor import LogCursor, UserCursor
from generator_service.domain.errors import CursorGap, GapReason
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Progress, Task
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.watch import feed as feed_module
from generator_service.watch.feed import Batch, Bookmark, OnGap, SnapshotBegin, SnapshotEnd, WatchRequest
from generator_service.watch.watchers import Scope
from tests.support.clock import NOON
from tests.unit.watch.log_double import LogDouble, Process

ANN = Scope("ann")


def watch(process: Process, request: WatchRequest) -> aclosing[AsyncGenerator[Batch, None]]:
    """Open a feed that is closed with its block."""
    return aclosing(cast("AsyncGenerator[Batch, None]", process.feeds.watch(request)))


async def to_head(process: Process, request: WatchRequest) -> list[Batch]:
    """Take all that a feed with ``stop_at_head`` sends."""
    async with watch(process, request) as feed:
        return [batch async for batch in feed]


def seqs(batches: list[Batch]) -> list[int]:
    """Return the seqs of the events in these batches."""
    return [item.seq for batch in batches for item in batch.items if isinstance(item, TaskEvent)]


@pytest.fixture
def log() -> LogDouble:
    """Return a log of ten events: three tasks of ann, two of bob, all started."""
    log = LogDouble()
    for user in ("ann", "bob", "ann", "bob", "ann"):
        log.advance(log.create(user))
    return log


async def test_without_a_cursor_a_watch_begins_now(log: LogDouble) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=ANN)) as feed:
        assert await anext(feed) == Batch([Bookmark(caught_up=True)], UserCursor("e1", 6))
        log.create("bob")
        event = log.create("ann")
        await process.tail.catch_up()
        batch = await anext(feed)
        assert [item.task for item in batch.items if isinstance(item, TaskEvent)] == [event]
        assert batch.cursor == UserCursor("e1", 7)


@pytest.mark.parametrize("scope", [ANN, Scope(None)], ids=["one user", "all"])
async def test_a_live_watcher_gets_a_snapshot_when_the_log_lost_events(log: LogDouble, scope: Scope) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=scope)) as feed:
        await anext(feed)
        log.rewind(4)
        for _ in range(8):
            log.create("ann")
        await process.tail.catch_up()
        items = [item for _ in range(4) for item in (await anext(feed)).items]
        assert items[0] == SnapshotBegin(GapReason.EPOCH_CHANGED)
        shown = {item.task_id for item in items if isinstance(item, Task)}
        mine = {event.task.task_id for event in log.history if scope.user_id in (None, event.user_id)}
        assert shown == mine
        assert items[-2:] == [SnapshotEnd(len(mine)), Bookmark(caught_up=True)]
        new = log.create("ann")
        await process.tail.catch_up()
        (event,) = (await anext(feed)).items
        assert isinstance(event, TaskEvent)
        assert event.task == new


async def test_a_live_watcher_that_wants_no_snapshot_ends_when_the_log_lost_events(log: LogDouble) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=ANN, on_gap=OnGap.FAIL)) as feed:
        await anext(feed)
        log.rewind(4)
        await process.tail.catch_up()
        with pytest.raises(CursorGap) as gap:
            await anext(feed)
        assert gap.value.reason is GapReason.EPOCH_CHANGED


async def test_a_live_watcher_misses_nothing_though_the_tail_was_overtaken_by_compaction(log: LogDouble) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=ANN)) as feed:
        await anext(feed)
        mine = log.create("ann")
        log.create("bob")
        log.compact("bob", keep=0)
        await process.tail.catch_up()
        assert [item.task for item in (await anext(feed)).items if isinstance(item, TaskEvent)] == [mine]


@pytest.mark.parametrize("ring", [0, 1, 3, 100])
async def test_a_replay_is_the_same_from_memory_and_from_the_database(log: LogDouble, ring: int) -> None:
    process = await Process(log, ring=ring, batch=2).start()
    for after in range(7):
        batches = await to_head(process, WatchRequest(scope=ANN, after=UserCursor("e1", after), stop_at_head=True))
        assert seqs(batches) == list(range(after + 1, 7))
        assert batches[-1] == Batch([Bookmark(caught_up=True)], UserCursor("e1", 6))
        assert all(len(batch.items) <= 2 for batch in batches)


async def test_a_replay_from_memory_reads_no_database(log: LogDouble) -> None:
    process = await Process(log).start()
    before = log.reads
    for request in (
        WatchRequest(scope=ANN, after=UserCursor("e1", 1)),
        WatchRequest(scope=Scope(None), after=LogCursor("e1", 1)),
    ):
        async with watch(process, request) as feed:
            assert seqs([await anext(feed)])
    assert log.reads == before
    assert (process.feeds.count.from_ring, process.feeds.count.from_database) == (2, 0)


async def test_replays_to_the_head_share_their_look_at_it(log: LogDouble) -> None:
    process = await Process(log).start()
    before = log.reads
    request = WatchRequest(scope=ANN, after=UserCursor("e1", 1), stop_at_head=True)
    replays = await asyncio.gather(*(to_head(process, request) for _ in range(50)))
    assert [seqs(batches) for batches in replays] == [[2, 3, 4, 5, 6]] * 50
    assert log.reads == before + 1
    assert (process.feeds.count.from_ring, process.feeds.count.from_database) == (50, 0)


@pytest.mark.parametrize("after", [4, 6], ids=["behind", "at the end of memory"])
async def test_a_replay_to_the_head_holds_what_another_process_has_committed(log: LogDouble, after: int) -> None:
    """The tail learns of it later, so a client that has seen it elsewhere would be sent back in time."""
    process = await Process(log).start()
    log.create("ann")
    batches = await to_head(process, WatchRequest(scope=ANN, after=UserCursor("e1", after), stop_at_head=True))
    assert seqs(batches) == list(range(after + 1, 8))
    assert batches[-1].cursor == UserCursor("e1", 7)


async def test_a_replay_to_the_head_does_not_share_a_look_that_began_before_it(log: LogDouble) -> None:
    process = await Process(log).start()
    request = WatchRequest(scope=ANN, after=UserCursor("e1", 6), stop_at_head=True)
    log.hold()
    early = asyncio.create_task(to_head(process, request))
    await log.holding.wait()
    log.create("ann")
    late = asyncio.create_task(to_head(process, request))
    log.let_go()
    assert seqs(await late) == [7]
    assert seqs(await early) in ([], [7])


async def test_a_replay_to_the_head_fails_with_the_database(log: LogDouble) -> None:
    process = await Process(log).start()
    log.failure = OSError("the database is unavailable")
    with pytest.raises(OSError, match="the database is unavailable"):
        await to_head(process, WatchRequest(scope=ANN, after=UserCursor("e1", 1), stop_at_head=True))
    log.failure = None
    assert seqs(await to_head(process, WatchRequest(scope=ANN, after=UserCursor("e1", 1), stop_at_head=True)))


async def test_all_users_are_watched_by_revision(log: LogDouble) -> None:
    process = await Process(log).start()
    request = WatchRequest(scope=Scope(None), after=LogCursor("e1", 4), stop_at_head=True)
    batches = await to_head(process, request)
    revisions = [item.revision for batch in batches for item in batch.items if isinstance(item, TaskEvent)]
    assert revisions == [5, 6, 7, 8, 9, 10]
    assert batches[-1].cursor == LogCursor("e1", 10)


async def test_a_memory_with_holes_of_compacted_users_is_not_taken_for_the_whole_log(log: LogDouble) -> None:
    """At startup all retained events are read, including those of idle users from before a hole."""
    log.compact("ann", keep=1)
    process = await Process(log).start()
    for _ in range(3):
        log.create("bob")
    await process.tail.catch_up()
    request = WatchRequest(
        scope=Scope(None, frozenset({4, 6, 7})), after=LogCursor("e1", log.compacted_revision), stop_at_head=True
    )
    batches = await to_head(process, request)
    revisions = [item.revision for batch in batches for item in batch.items if isinstance(item, TaskEvent)]
    assert revisions == [11, 12]


async def test_only_the_tasks_asked_for_are_shown_and_the_cursor_moves_over_the_others(log: LogDouble) -> None:
    process = await Process(log).start()
    scope = Scope("ann", frozenset({1}))
    batches = await to_head(process, WatchRequest(scope=scope, after=UserCursor("e1", 0), stop_at_head=True))
    assert seqs(batches) == [1, 2]
    assert batches[-1].cursor == UserCursor("e1", 6)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (UserCursor("other", 3), GapReason.EPOCH_CHANGED),
        (UserCursor("e1", 7), GapReason.CURSOR_IN_FUTURE),
        (UserCursor("e1", 1), GapReason.CURSOR_TOO_OLD),
    ],
)
@pytest.mark.parametrize("ring", [0, 2])
async def test_a_cursor_that_can_not_be_resumed(
    log: LogDouble, after: UserCursor, reason: GapReason, ring: int
) -> None:
    log.compact("ann", keep=3)
    process = await Process(log, ring=ring, batch=2).start()
    with pytest.raises(CursorGap) as refused:
        await to_head(process, WatchRequest(scope=ANN, after=after, on_gap=OnGap.FAIL))
    gap = refused.value
    assert (gap.reason, gap.oldest, gap.head, gap.epoch) == (reason, "e1:3", "e1:6", "e1")
    batches = await to_head(process, WatchRequest(scope=ANN, after=after, stop_at_head=True))
    assert batches[0] == Batch([SnapshotBegin(reason)], None)
    tasks = [item.task_id for batch in batches[1:-2] for item in batch.items if isinstance(item, Task)]
    assert tasks == [1, 3, 5]
    assert batches[-2] == Batch([SnapshotEnd(3)], UserCursor("e1", 6))
    assert batches[-1] == Batch([Bookmark(caught_up=True)], UserCursor("e1", 6))


async def test_the_oldest_cursor_named_can_be_resumed(log: LogDouble) -> None:
    log.compact("ann", keep=3)
    process = await Process(log, ring=0).start()
    batches = await to_head(process, WatchRequest(scope=ANN, after=UserCursor("e1", 3), stop_at_head=True))
    assert seqs(batches) == [4, 5, 6]


@pytest.mark.parametrize("task_ids", [None, frozenset({5})])
@pytest.mark.parametrize("on_gap", OnGap)
async def test_a_replay_that_compaction_overtakes_says_so(
    log: LogDouble, task_ids: frozenset[int] | None, on_gap: OnGap
) -> None:
    process = await Process(log, ring=0, batch=2).start()
    if task_ids is not None:
        log.advance(log.create("ann"))
    scope = Scope("ann", task_ids)
    request = WatchRequest(scope=scope, after=UserCursor("e1", 0), on_gap=on_gap, stop_at_head=True)
    log.hold()
    async with watch(process, request) as feed:
        first = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0)
        log.compact("ann", keep=1)
        log.let_go()
        if on_gap is OnGap.FAIL:
            with pytest.raises(CursorGap, match="cursor_too_old"):
                _ = [await first] + [batch async for batch in feed]
            return
        batches = [await first] + [batch async for batch in feed]
    reasons = [item.reason for batch in batches for item in batch.items if isinstance(item, SnapshotBegin)]
    assert reasons == [GapReason.CURSOR_TOO_OLD]


async def test_a_snapshot_asked_for_comes_first_and_with_what_is_known_here(log: LogDouble) -> None:
    process = await Process(log).start()
    presented: list[int] = []

    def present(task: Task) -> Task:
        presented.append(task.task_id)
        return task

    process.feeds.present = present
    request = WatchRequest(scope=Scope("ann", frozenset({1, 5})), snapshot=True, stop_at_head=True)
    batches = await to_head(process, request)
    assert batches[0].items == [SnapshotBegin(None)]
    assert presented == [1, 5]
    assert batches[-2].items == [SnapshotEnd(2)]


async def test_what_happens_during_a_slow_snapshot_follows_it(log: LogDouble) -> None:
    process = await Process(log).start()
    log.hold()
    async with watch(process, WatchRequest(scope=ANN, snapshot=True)) as feed:
        first = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0)
        log.create("ann")
        tailing = asyncio.create_task(process.tail.catch_up())
        await asyncio.sleep(0)
        log.let_go()
        await tailing
        batches = [await first] + [await anext(feed) for _ in range(4)]
    assert [type(batch.items[0]) for batch in batches] == [SnapshotBegin, Task, SnapshotEnd, Bookmark, TaskEvent]
    assert seqs(batches) == [7]


async def test_a_snapshot_is_sent_page_by_page_as_it_is_read(log: LogDouble) -> None:
    process = await Process(log, batch=2).start()
    async with watch(process, WatchRequest(scope=ANN, snapshot=True)) as feed:
        assert await anext(feed) == Batch([SnapshotBegin(None)], None)
        log.hold()
        first = await anext(feed)
        assert [item.task_id for item in first.items if isinstance(item, Task)] == [1, 3]
        second = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0)
        assert not second.done()
        log.let_go()
        assert [item.task_id for item in (await second).items if isinstance(item, Task)] == [5]
        assert await anext(feed) == Batch([SnapshotEnd(3)], UserCursor("e1", 6))


async def test_a_snapshot_that_fails_between_two_pages_moves_no_cursor(log: LogDouble) -> None:
    process = await Process(log, batch=2).start()
    async with watch(process, WatchRequest(scope=ANN, snapshot=True)) as feed:
        batches = [await anext(feed), await anext(feed)]
        log.failure = DatabaseUnavailable()
        with pytest.raises(DatabaseUnavailable):
            await anext(feed)
    assert [batch.cursor for batch in batches] == [None, None]


async def test_a_quiet_watch_gets_bookmarks_that_carry_the_cursor_on(
    log: LogDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BOOKMARK_SECONDS", 0.02)
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=Scope("ann", frozenset({1})))) as feed:
        await anext(feed)
        log.create("ann")
        await process.tail.catch_up()
        assert await anext(feed) == Batch([Bookmark(caught_up=False)], UserCursor("e1", 7))


async def test_progress_comes_after_the_events_and_moves_no_cursor(log: LogDouble) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=ANN)) as feed:
        await anext(feed)
        progress = Progress(task_id=1, user_id="ann", attempt=1, percent=5, stage="matting", updated_at=NOON)
        process.watchers.push_progress(progress)
        log.create("ann")
        await process.tail.catch_up()
        batch = await anext(feed)
        assert isinstance(batch.items[0], TaskEvent)
        assert batch.items[1:] == [progress]
        assert batch.cursor == UserCursor("e1", 7)


async def test_a_watcher_that_has_gone_is_forgotten(log: LogDouble) -> None:
    process = await Process(log).start()
    async with watch(process, WatchRequest(scope=ANN)) as feed:
        await anext(feed)
        assert len(process.watchers) == 1
    assert len(process.watchers) == 0
