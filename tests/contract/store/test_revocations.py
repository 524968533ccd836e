"""Revocations: durable, numbered in the order of the commits, kept until the tokens concerned have expired."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import delete

from generator_service.domain.revocation import NewRevocation, Session, revocation_of
from generator_service.notifier.local import LocalNotifier
from generator_service.store.tables import revocations
from generator_service.watch.revocations import RevocationTail
from generator_service.watch.watchers import Watchers
from tests.contract.store.conftest import OpenStore
from tests.support.clock import NOON
from tests.support.store import StoreHarness

DAY = timedelta(days=1)


def of_session(name: str, *, expires_in: timedelta = DAY) -> NewRevocation:
    return NewRevocation(session_id=name, user_id="ann", revoked_at=NOON, expires_at=NOON + expires_in)


def of_user(name: str) -> NewRevocation:
    return NewRevocation(user_id=name, revoked_at=NOON, expires_at=NOON + DAY)


async def numbers(desk: StoreHarness, after: int = 0, limit: int = 1000) -> list[int]:
    return [each.number for each in (await desk.store.revocations_after(after, limit=limit)).revocations]


async def test_they_are_read_as_they_were_recorded(desk: StoreHarness) -> None:
    recorded = [await desk.store.revoke(of_session("s1")), await desk.store.revoke(of_user("bob"))]
    page = await desk.store.revocations_after(0, limit=10)
    assert (page.revocations, page.head) == (recorded, 2)
    assert [each.number for each in recorded] == [1, 2]
    assert (recorded[1].user_id, recorded[1].session_id, recorded[1].revoked_at) == ("bob", "", NOON)
    assert page.epoch == (await desk.store.latest_events(1)).head.epoch
    assert await numbers(desk, after=1) == [2]
    assert await numbers(desk, limit=1) == [1]


async def test_an_empty_list_has_no_head(desk: StoreHarness) -> None:
    page = await desk.store.revocations_after(0, limit=10)
    assert (page.revocations, page.head) == ([], 0)


async def test_a_session_is_revoked_once_and_a_user_each_time(desk: StoreHarness) -> None:
    first = await desk.store.revoke(of_session("s1", expires_in=2 * DAY))
    assert await desk.store.revoke(of_session("s1")) == first
    await desk.store.revoke(of_user("ann"))
    await desk.store.revoke(of_user("ann"))
    assert await numbers(desk) == [1, 2, 3]


async def test_a_short_revocation_of_a_session_is_followed_by_one_that_outlasts_every_token(desk: StoreHarness) -> None:
    await desk.store.revoke(of_session("s1"))
    whole = await desk.store.revoke(revocation_of(session_id="s1", user_id="ann", at=NOON))
    assert whole.number == 2
    again = await desk.store.revoke(revocation_of(session_id="s1", user_id="ann", at=NOON + DAY))
    assert again == whole, "it has outlasted every token of the session from the first time"


async def test_whoever_sees_a_number_sees_every_lower_one(open_store: OpenStore) -> None:
    """From several processes where the database supports several writers, alongside tasks of the same users."""
    one = open_store()
    desks = [one, one] if one.store._writing.dialect.name == "sqlite" else [open_store(), open_store()]

    async def look() -> None:
        while len(seen := await numbers(desks[0])) < 60:
            assert seen == list(range(1, len(seen) + 1))

    looking = asyncio.create_task(look())
    await asyncio.gather(
        *(desks[n % 2].store.revoke(of_session(f"s{n}")) for n in range(60)),
        *(desks[n % 2].add(f"user {n % 3}") for n in range(30)),
    )
    await looking
    assert await numbers(desks[1]) == list(range(1, 61))


async def test_the_expired_are_deleted_and_no_number_is_used_twice(desk: StoreHarness) -> None:
    for name in ("s1", "s2", "s3"):
        await desk.store.revoke(of_session(name, expires_in=DAY if name == "s2" else timedelta(seconds=1)))
    assert await desk.store.forget_revocations(NOON) == 0
    assert await desk.store.forget_revocations(NOON + timedelta(seconds=2)) == 1
    assert await numbers(desk) == [2, 3], "the latest stays, for its number"
    assert (await desk.store.revoke(of_session("s4"))).number == 4


async def test_they_outlive_the_process(open_store: OpenStore) -> None:
    first = open_store()
    await first.store.revoke(of_session("s1"))
    await first.store.close()
    assert await numbers(open_store()) == [1]


async def test_a_follower_reads_all_of_a_restored_database_though_as_many_are_there_again(desk: StoreHarness) -> None:
    await desk.store.revoke(of_session("s1"))
    tail = RevocationTail(desk.store, LocalNotifier(asyncio.get_running_loop()), Watchers(10))
    await tail.catch_up()
    with desk.store._writing.begin() as connection:
        connection.execute(delete(revocations))
    await desk.store.renew_epoch((await desk.store.latest_events(1)).head.epoch)
    await desk.store.revoke(of_session("s2"))
    await tail.catch_up()
    assert tail.revoked.covers(Session(user_id="ann", ids=frozenset({"s2"})))
    assert tail.revoked.covers(Session(user_id="ann", ids=frozenset({"s1"}))), "known revocations stay"
