"""Pages, snapshots and counts are each consistent with one moment of the log."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from generator_service.domain.task import TaskState
from generator_service.store.views import QueueSnapshot, SnapshotPage
from tests.support.store import RESULT, StoreHarness, audit, durable, failure, fold, whole_snapshot

ALL: frozenset[TaskState] = frozenset()


async def test_a_list_is_newest_first_in_pages_without_overlap(desk: StoreHarness) -> None:
    ids = [(await desk.add()).task_id for _ in range(7)]
    await desk.add("bob")
    pages, before = [], None
    while True:
        page = await desk.store.list_tasks("ann", states=ALL, before=before, skip=0, limit=3)
        assert (page.total, page.head.position) == (7, 7)
        pages.append([task.task_id for task in page.tasks])
        if not page.has_more:
            break
        before = page.tasks[-1].task_id
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [task_id for page in pages for task_id in page] == sorted(ids, reverse=True)


async def test_the_last_page_knows_that_it_is_the_last(desk: StoreHarness) -> None:
    for _ in range(3):
        await desk.add()
    assert not (await desk.store.list_tasks("ann", states=ALL, before=None, skip=0, limit=3)).has_more
    assert (await desk.store.list_tasks("ann", states=ALL, before=None, skip=0, limit=2)).has_more


async def test_a_list_can_skip_and_be_filtered(desk: StoreHarness) -> None:
    ended, cancelled, waiting = await desk.ended(), await desk.running(), await desk.add()
    await desk.store.cancel(cancelled.task_id, None)
    terminal = {TaskState.COMPLETED, TaskState.CANCELLED}
    page = await desk.store.list_tasks("ann", states=terminal, before=None, skip=0, limit=10)
    assert [task.task_id for task in page.tasks] == [cancelled.task_id, ended.task_id]
    assert page.total == 2
    skipped = await desk.store.list_tasks("ann", states=ALL, before=None, skip=2, limit=10)
    assert [task.task_id for task in skipped.tasks] == [ended.task_id]
    assert skipped.total == 3
    assert (await desk.store.list_tasks("ann", states=ALL, before=None, skip=3, limit=10)).tasks == []
    nobody = await desk.store.list_tasks("nobody", states=ALL, before=None, skip=0, limit=10)
    assert (nobody.tasks, nobody.total, nobody.head.position, nobody.has_more) == ([], 0, 0, False)
    assert waiting.task_id not in {task.task_id for task in page.tasks}


async def test_a_snapshot_is_the_log_folded_up_to_its_head_whatever_is_written_meanwhile(desk: StoreHarness) -> None:
    async def write(user: str) -> None:
        for _ in range(6):
            await desk.add(user)
            for task in await desk.claim(f"w {user}"):
                await desk.store.complete(task.lease, RESULT)

    writing = [asyncio.create_task(write(user)) for user in ("ann", "bob", "cho")]
    taken: list[tuple[str | None, SnapshotPage | QueueSnapshot]] = []
    while not all(task.done() for task in writing):
        taken.append((None, await whole_snapshot(desk.store)))
        taken.append(("ann", await whole_snapshot(desk.store, "ann")))
        taken.append(("unfinished", await desk.store.unfinished()))
    await asyncio.gather(*writing)
    log = await audit(desk.store)
    assert len({snapshot.revision for _, snapshot in taken}) > 3, "they must have been taken at different moments"
    for scope, snapshot in taken:
        past = fold([event for event in log if event.revision <= snapshot.revision])
        if scope == "ann":
            assert isinstance(snapshot, SnapshotPage)
            past = {task_id: task for task_id, task in past.items() if task.user_id == "ann"}
            assert snapshot.head.position == max((task.seq for task in past.values()), default=0)
        elif scope is None:
            assert isinstance(snapshot, SnapshotPage)
            assert snapshot.head.position == snapshot.revision
        if scope == "unfinished":
            past = {task_id: task for task_id, task in past.items() if not task.state.terminal}
        assert durable(snapshot.tasks) == durable(past.values())


async def test_a_list_and_its_head_are_of_one_moment(desk: StoreHarness) -> None:
    async def write() -> None:
        for _ in range(25):
            await desk.add()

    writing = asyncio.create_task(write())
    while not writing.done():
        page = await desk.store.list_tasks("ann", states=ALL, before=None, skip=0, limit=100)
        assert len(page.tasks) == page.total == page.head.position
    await writing


async def test_counts_are_of_all_users(desk: StoreHarness) -> None:
    assert (await desk.store.counts()).by_state == {}
    await desk.ended("ann")
    await desk.running("bob")
    await desk.add("cho")
    await desk.add("dan")
    counts = await desk.store.counts()
    assert counts.by_state == {TaskState.COMPLETED: 1, TaskState.PROCESSING: 1, TaskState.PENDING: 2}


async def test_the_next_run_is_the_earliest_that_is_still_to_come(desk: StoreHarness) -> None:
    assert await desk.store.next_due(since=timedelta()) is None
    for seconds in (40, 20, 60):
        task = await desk.running()
        await desk.store.fail(task.lease, failure(retry_after=timedelta(seconds=seconds)))
    # Tasks that only a quota holds back are not counted: waiting for them would be a busy loop.
    await desk.add()
    assert await desk.store.next_due(since=timedelta()) == timedelta(seconds=20)
    desk.clock.advance(timedelta(seconds=20))
    assert await desk.store.next_due(since=timedelta()) == timedelta(seconds=20)
    assert await desk.store.next_due(since=timedelta(seconds=1)) == timedelta(), "it has become due meanwhile"
    desk.clock.advance(timedelta(seconds=40))
    assert await desk.store.next_due(since=timedelta()) is None
