"""I1: ``revision`` orders the whole log, gap-free; a reader that sees revision r sees every smaller one."""

from __future__ import annotations

import asyncio

from tests.support.store import RESULT, StoreHarness, audit


async def _one_life(desk: StoreHarness, user: str) -> None:
    await desk.add(user)
    for task in await desk.claim(f"worker of {user}"):
        await desk.store.complete(task.lease, RESULT)


async def _read_along(desk: StoreHarness, until: asyncio.Event) -> int:
    """Poll the log; every page must continue the previous one and reach the head that it names."""
    at = reads = 0
    while not (until.is_set() and at == (await desk.store.events_after(at, limit=1)).head.position):
        page = await desk.store.events_after(at, limit=1000)
        revisions = [event.revision for event in page.events]
        assert revisions == list(range(at + 1, page.head.position + 1)), "a reader saw r but not all before r"
        at = page.head.position
        reads += 1
    return reads


async def test_every_reader_sees_contiguous_revisions_at_every_moment(desk: StoreHarness) -> None:
    done = asyncio.Event()
    readers = [asyncio.create_task(_read_along(desk, done)) for _ in range(3)]
    for _ in range(8):
        await asyncio.gather(*(_one_life(desk, f"user {number % 7}") for number in range(20)))
    done.set()
    reads = await asyncio.gather(*readers)
    assert min(reads) > 8, "the readers must have read while there was writing"
    log = await audit(desk.store)
    assert len(log) >= 160


async def test_commits_are_told_in_revision_order_each_event_once(desk: StoreHarness) -> None:
    await asyncio.gather(*(_one_life(desk, f"user {number % 5}") for number in range(60)))
    told = [event for batch in desk.commits.batches for event in batch]
    assert told == await audit(desk.store)


async def test_a_commit_is_readable_when_it_is_told(desk: StoreHarness) -> None:
    with desk.commits.held():
        writing = asyncio.create_task(desk.add())
        await desk.commits.stuck()
        page = await desk.store.events_after(0, limit=10)
        assert [event.revision for event in page.events] == [1]
        assert not writing.done()
    assert (await writing).seq == 1


async def test_the_latest_events_are_the_end_of_the_log(desk: StoreHarness) -> None:
    for _ in range(5):
        await desk.add()
    page = await desk.store.latest_events(3)
    assert [event.revision for event in page.events] == [3, 4, 5]
    assert (page.head.position, page.head.compacted) == (5, 0)
    assert (await desk.store.latest_events(100)).events == await audit(desk.store)
