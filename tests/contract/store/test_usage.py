"""Usage is counted once, with the event that is its cause, whatever ends an attempt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from generator_service.domain.breaker import Outage
from generator_service.domain.errors import LeaseLost
from generator_service.domain.task import Task, WaitReason
from generator_service.domain.usage import DELETED_USERS, DayUsage, Usage, day_of
from generator_service.store.contract import Beat
from generator_service.store.limits import Limits
from tests.contract.store.conftest import OpenStore
from tests.support.store import LEASE, MASK, PHOTO, RESULT, StoreHarness, failure, lease, new_task

ALL_DAYS = {"first": date(1970, 1, 1), "last": date(9999, 12, 31)}
RECEIVED = Usage(photos=1, bytes_in=PHOTO.size_bytes)
MADE = Usage(results=1, bytes_out=RESULT.stored_bytes)
WORK = Usage(local_us=1_500_000, gemini_calls=2, gemini_input_tokens=10, gemini_output_tokens=1300)
PAUSED = Outage(reason=WaitReason.ENGINE_UNAVAILABLE, code="busy", message="busy")


async def totals(desk: StoreHarness) -> dict[str, Usage]:
    found: dict[str, Usage] = {}
    for each in await desk.store.admin.usage(**ALL_DAYS, user_id=None, after=None, limit=1000):
        found[each.user_id] = found.get(each.user_id, Usage()) + each.usage
    return found


async def test_a_photo_and_its_result_are_counted(desk: StoreHarness) -> None:
    task = await desk.running()
    assert await totals(desk) == {"ann": RECEIVED}

    await desk.store.complete(task.lease, RESULT, usage=WORK)

    assert await totals(desk) == {"ann": RECEIVED + MADE + WORK}


async def test_a_repeated_request_counts_nothing(desk: StoreHarness) -> None:
    await asyncio.gather(*(desk.store.enqueue(new_task(key="one")) for _ in range(5)))
    assert await totals(desk) == {"ann": RECEIVED}


async def test_tasks_that_share_a_photo_count_it_once(desk: StoreHarness) -> None:
    first, _ = await desk.store.enqueue_all([new_task(key="a"), new_task(key="b")])
    version = new_task(key="c", source_task_id=first.task.task_id, shares_input=True)
    drawn = replace(version, idempotency_key="d", input=replace(PHOTO, mask=MASK))

    await desk.store.enqueue_all([version])
    assert await totals(desk) == {"ann": RECEIVED}
    await desk.store.enqueue(drawn)
    assert await totals(desk) == {"ann": RECEIVED + Usage(bytes_in=MASK.size_bytes)}


@pytest.mark.parametrize("way", ["fail", "retry", "time_out", "snooze", "release"])
async def test_each_attempt_counts_however_it_ends(desk: StoreHarness, way: str) -> None:
    task = await desk.running()
    store = desk.store
    match way:
        case "fail":
            await store.fail(task.lease, failure(retryable=False), usage=WORK)
        case "retry":
            await store.fail(task.lease, failure(), usage=WORK)
        case "time_out":
            await store.time_out(task.lease, usage=WORK)
        case "snooze":
            await store.snooze(task.lease, PAUSED, usage=WORK)
        case "release":
            await store.release(task.lease, usage=WORK)
    assert await totals(desk) == {"ann": RECEIVED + WORK}


@pytest.mark.parametrize("way", ["cancel", "delete", "lease lost"])
async def test_an_attempt_that_others_end_counts_up_to_its_last_heartbeat(desk: StoreHarness, way: str) -> None:
    task = await desk.running()
    await desk.store.heartbeat([Beat(task.lease, 10, "cutting", WORK)], lease_for=LEASE)
    await desk.store.heartbeat([Beat(task.lease, 20, "cutting")], lease_for=LEASE)
    assert (await desk.store.get(task.task_id, None)).attempt_usage == WORK
    assert await totals(desk) == {"ann": RECEIVED}, "usage was counted before the attempt ended"
    match way:
        case "cancel":
            await desk.store.cancel(task.task_id, None)
        case "delete":
            await desk.store.delete_tasks([task.task_id], None)
        case "lease lost":
            desk.clock.advance(LEASE + timedelta(seconds=1))
            assert await desk.store.requeue_expired()
    assert await totals(desk) == {"ann": RECEIVED + WORK}


async def test_an_attempt_counts_once_and_a_late_report_not_at_all(desk: StoreHarness) -> None:
    task = await desk.running()
    await desk.store.heartbeat([Beat(task.lease, 10, "cutting", WORK)], lease_for=LEASE)
    desk.clock.advance(LEASE + timedelta(seconds=1))
    await desk.store.requeue_expired()
    (again,) = await desk.claim("w2")
    assert again.attempt_usage is None, "the next attempt begins with the usage of the last"

    for late in (desk.store.complete(lease(task, owner="w1", attempt=1), RESULT, usage=WORK),):
        with pytest.raises(LeaseLost):
            await late
    await desk.store.complete(again.lease, RESULT, usage=WORK)

    assert await totals(desk) == {"ann": RECEIVED + MADE + WORK + WORK}


async def test_many_at_once_are_all_counted(open_store: OpenStore) -> None:
    desk = open_store(Limits(pending_per_user=100, running_per_user=100))
    await asyncio.gather(*(desk.add(user) for user in ("ann", "bob") for _ in range(20)))
    tasks = await desk.claim(limit=40)
    await asyncio.gather(*(desk.store.complete(task.lease, RESULT, usage=WORK) for task in tasks))
    of_each = Usage(**{name: 20 * getattr(RECEIVED + MADE + WORK, name) for name in Usage.__slots__})
    assert await totals(desk) == {"ann": of_each, "bob": of_each}


async def test_days_are_those_of_utc_and_read_page_by_page(desk: StoreHarness) -> None:
    today = day_of(desk.clock.now())
    await desk.add("bob")
    await desk.add("ann")
    desk.clock.advance(timedelta(days=1))
    await desk.add("ann")
    everything = [(today, "ann"), (today, "bob"), (today + timedelta(days=1), "ann")]

    read: list[DayUsage] = []
    while page := await desk.store.admin.usage(
        **ALL_DAYS, user_id=None, after=(read[-1].day, read[-1].user_id) if read else None, limit=2
    ):
        read += page
    assert [(each.day, each.user_id) for each in read] == everything

    of_ann = await desk.store.admin.usage(first=today, last=today, user_id="ann", after=None, limit=10)
    assert [(each.day, each.user_id) for each in of_ann] == [(today, "ann")]
    assert day_of(datetime.fromisoformat("2026-03-01T00:30:00+02:00")) == date(2026, 2, 28)
    assert day_of(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)) == date(2026, 2, 28)


async def test_usage_outlives_tasks_and_becomes_anonymous_with_the_user(desk: StoreHarness) -> None:
    for user in ("ann", "bob", "cid"):
        await desk.store.complete((await desk.running(user)).lease, RESULT, usage=WORK)
    task_ids = await desk.store.task_ids("ann", before=None, limit=10)
    await desk.store.forget(task_ids)
    each = RECEIVED + MADE + WORK
    assert (await totals(desk))["ann"] == each

    for user in ("ann", "bob"):
        await desk.store.delete_tasks(await desk.store.task_ids(user, before=None, limit=10), user)
        assert await desk.store.admin.purge_user(user)
        assert await desk.store.admin.purge_user(user)

    assert await totals(desk) == {DELETED_USERS: each + each, "cid": each}


async def test_old_usage_is_deleted(desk: StoreHarness) -> None:
    await desk.add()
    desk.clock.advance(timedelta(days=3))
    await desk.add()
    today = day_of(desk.clock.now())

    assert await desk.store.admin.forget_usage(today) == 1
    assert await desk.store.admin.forget_usage(today) == 0
    assert await totals(desk) == {"ann": RECEIVED}


async def test_usage_survives_a_restart(open_store: OpenStore) -> None:
    desk = open_store()
    task: Task = await desk.running()
    await desk.store.heartbeat([Beat(task.lease, 10, "cutting", WORK)], lease_for=LEASE)

    again = open_store()
    await again.store.cancel(task.task_id, None)

    assert await totals(again) == {"ann": RECEIVED + WORK}
