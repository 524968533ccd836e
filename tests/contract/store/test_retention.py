"""What is deleted, what is kept, and that a reader can tell which."""

from __future__ import annotations

from datetime import timedelta

import pytest

from generator_service.domain.task import TaskState
from generator_service.store import operations
from generator_service.store.contract import Retention
from tests.support.store import Desk, new_task, read_log

KEEP_3 = Retention(events_for=timedelta(hours=24), events_per_user=3)


async def _all_kept_above(desk: Desk, user: str) -> tuple[int, list[int]]:
    """Read what is kept of a user's log; check that all above the compacted position is there."""
    page = await desk.store.user_events_after(user, 0, limit=1000)
    seqs = [event.seq for event in page.events]
    assert seqs == list(range(page.head.compacted + 1, page.head.position + 1))
    return page.head.compacted, seqs


async def test_events_older_than_a_day_go_but_the_last_of_each_user_stay(desk: Desk) -> None:
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


async def test_recent_events_stay_however_many(desk: Desk) -> None:
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(hours=20))
    for _ in range(10):
        await desk.add()
    desk.clock.advance(timedelta(hours=20))
    assert await desk.store.compact(KEEP_3) == 5
    assert await _all_kept_above(desk, "ann") == (5, list(range(6, 16)))


async def test_only_a_whole_beginning_goes_though_the_clock_ran_backwards(desk: Desk) -> None:
    await desk.add()
    desk.clock.advance(timedelta(hours=48))
    await desk.add()
    desk.clock.advance(timedelta(hours=-48))
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(hours=30))
    # Seqs 1 and 3 to 4 are old and beyond the last three, yet 2 stands before 3.
    assert await desk.store.compact(KEEP_3) == 1
    assert await _all_kept_above(desk, "ann") == (1, [2, 3, 4, 5, 6, 7])


async def test_the_whole_log_says_up_to_where_it_has_holes(desk: Desk) -> None:
    for user in ("bob", "ann", "ann", "bob", "ann", "ann", "ann"):
        await desk.add(user)
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(KEEP_3) == 2
    log, head = await read_log(desk.store)
    assert (head.compacted, head.position) == (3, 7)
    assert [event.revision for event in log] == [1, 4, 5, 6, 7], "those of bob are few enough to stay"
    assert (await desk.store.events_after(3, limit=10)).head.compacted == 3


async def test_compaction_in_chunks_does_all_of_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "COMPACT_CHUNK", 4)
    for user in ("ann", "bob", "cho"):
        for _ in range(9):
            await desk.add(user)
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(KEEP_3) == 18
    for user in ("ann", "bob", "cho"):
        assert await _all_kept_above(desk, user) == (6, [7, 8, 9])


async def test_numbers_go_on_after_compaction(desk: Desk) -> None:
    for _ in range(5):
        await desk.add()
    desk.clock.advance(timedelta(days=2))
    await desk.store.compact(Retention(events_per_user=0))
    assert await _all_kept_above(desk, "ann") == (5, [])
    assert (await desk.add()).seq == 6
    assert [event.revision for event in (await desk.store.latest_events(5)).events] == [6]


async def test_compaction_touches_no_task(desk: Desk) -> None:
    await desk.ended()
    await desk.running()
    before = (await desk.store.snapshot(None)).tasks
    desk.clock.advance(timedelta(days=2))
    assert await desk.store.compact(Retention(events_per_user=0)) > 0
    assert (await desk.store.snapshot(None)).tasks == before


async def test_old_finished_tasks_are_found_oldest_first(desk: Desk) -> None:
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


async def test_only_terminal_tasks_can_be_forgotten_and_their_events_stay(desk: Desk) -> None:
    ended = await desk.ended()
    running = await desk.running()
    waiting = await desk.add()
    log, _ = await read_log(desk.store)
    await desk.store.forget([ended.task_id, running.task_id, waiting.task_id, 999])
    await desk.store.forget([])
    assert [task.task_id for task in (await desk.store.snapshot(None)).tasks] == [running.task_id, waiting.task_id]
    assert (await read_log(desk.store))[0] == log


async def test_a_forgotten_id_never_comes_again(desk: Desk) -> None:
    ended = await desk.ended()
    await desk.store.forget([ended.task_id])
    again = (await desk.store.enqueue(new_task())).task
    assert again.task_id > ended.task_id
    assert again.state is TaskState.PENDING
