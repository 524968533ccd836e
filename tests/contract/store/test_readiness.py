"""The store's part in readiness: whether tasks could start, tasks running per owner, and whether writes succeed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from generator_service.store.limits import Limits
from generator_service.store.reconnect import DatabaseUnavailable
from tests.contract.store.conftest import OpenStore
from tests.contract.store.test_unavailable import set_read_only
from tests.support.store import StoreHarness, audit, failure


async def test_a_task_counts_as_runnable_while_a_claim_would_take_it(open_store: OpenStore) -> None:
    desk = open_store(Limits(running_per_user=1))
    assert not (await desk.store.backlog()).runnable
    await desk.add("ann")
    assert (await desk.store.backlog()).runnable
    (task,) = await desk.claim("w1")
    assert not (await desk.store.backlog()).runnable
    await desk.add("ann")
    assert not (await desk.store.backlog()).runnable, "the user's limit holds it back"
    await desk.store.fail(task.lease, failure(retry_after=timedelta(minutes=5)))
    (second,) = await desk.claim("w1")
    await desk.store.cancel(second.task_id, None)
    assert not (await desk.store.backlog()).runnable, "the retry is not due"
    desk.clock.advance(timedelta(minutes=5))
    assert (await desk.store.backlog()).runnable


async def test_running_tasks_are_counted_by_worker(desk: StoreHarness) -> None:
    for user in ("ann", "bob", "cho"):
        await desk.add(user)
    await desk.claim("w1", limit=2)
    await desk.claim("w2")
    assert (await desk.store.backlog()).running == {"w1": 2, "w2": 1}


async def test_a_probe_changes_nothing(desk: StoreHarness) -> None:
    await desk.ended()
    log = await audit(desk.store)
    await desk.store.probe()
    assert await audit(desk.store) == log
    assert [len(batch) for batch in desk.commits.batches] == [1, 1, 1]


async def test_a_probe_shows_that_writes_are_rejected_and_real_writes_are_remembered(desk: StoreHarness) -> None:
    set_read_only(desk, True)
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        await desk.store.probe()
    assert desk.store.last_refusal is None
    set_read_only(desk, True)
    with pytest.raises(DatabaseUnavailable):
        await desk.add()
    refusal = desk.store.last_refusal
    assert refusal is not None
    assert "read-only" in refusal.message
    await desk.store.probe()
