"""Webhooks on every backend: deliveries follow the log, from one process at a time, and nothing is lost."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from generator_service.domain.errors import InvalidRequest, WebhookNotFound
from generator_service.domain.webhook import RETRY_AFTER, DeadLetter, Endpoint, Message, Secret, new_secret
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier
from generator_service.store import webhooks
from generator_service.webhooks import deliverer
from generator_service.webhooks.deliverer import Deliverer
from generator_service.webhooks.sender import Sender
from tests.contract.store.conftest import OpenStore
from tests.support.patience import PATIENCE
from tests.support.store import LEASE, RESULT, StoreHarness
from tests.support.webhook_receiver import Receiver, webhook_receiver

SECRET = new_secret()
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    with webhook_receiver() as receiver:
        yield receiver


async def endpoint_at(desk: StoreHarness, url: str, user: str | None = None, name: str = "e1") -> Endpoint:
    new = Endpoint(endpoint_id=name, url=url, user_id=user, secrets=(Secret(SECRET),), created_at=desk.clock.now())
    return await desk.store.webhooks.create(new)


@asynccontextmanager
async def delivering(
    desk: StoreHarness,
    *,
    owner: str = "p1",
    allowed: bool = True,
    sender: Sender | None = None,
    heartbeat: timedelta = LEASE / 3,
) -> AsyncIterator[LocalNotifier]:
    """Deliver while the block runs; it gets the notifier that wakes the deliverer."""
    wake = LocalNotifier(asyncio.get_running_loop())
    sender = sender or Sender(allowed=LOOPBACK if allowed else (), allow_http=True)
    made = Deliverer(desk.store, sender, wake, desk.clock, owner=owner, lease_for=LEASE, heartbeat=heartbeat)
    work = asyncio.create_task(made.run())
    try:
        yield wake
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await sender.close()


async def completed(desk: StoreHarness, user: str = "ann") -> int:
    task = await desk.running(user)
    await desk.store.complete(task.lease, RESULT)
    return task.task_id


async def state(desk: StoreHarness, fits: Callable[[Endpoint], bool]) -> Endpoint:
    """Return the only endpoint once it fits."""
    async with asyncio.timeout(PATIENCE):
        while not fits(found := (await desk.store.webhooks.endpoints())[0]):
            continue
    return found


async def test_endpoints_have_a_limit_across_processes(open_store: OpenStore) -> None:
    desks = [open_store(), open_store()]
    await asyncio.gather(
        *(endpoint_at(desks[0], "https://a.example", name=f"e{n}") for n in range(webhooks.MAX_ENDPOINTS - 1))
    )
    created = await asyncio.gather(
        *(endpoint_at(desk, "https://a.example", name=f"last-{number}") for number, desk in enumerate(desks)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, InvalidRequest) for each in created) == 1
    assert len(await desks[0].store.webhooks.endpoints()) == webhooks.MAX_ENDPOINTS


async def letters(desk: StoreHarness, count: int) -> list[DeadLetter]:
    async with asyncio.timeout(PATIENCE):
        while len(found := await desk.store.webhooks.dead_letters("e1")) < count:
            continue
    return list(found)


async def test_deliveries_are_signed_and_follow_the_log(desk: StoreHarness, receiver: Receiver) -> None:
    await completed(desk)
    await endpoint_at(desk, receiver.url)
    tasks = [await completed(desk, user) for user in ("ann", "bob", "ann", "cid")]
    async with delivering(desk):
        got = await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 4)
        head = (await desk.store.latest_events(1)).head.position
        await state(desk, lambda each: each.position == head)
    assert [each.task_id for each in got] == tasks, "the order is not that of the log, or an earlier event came"
    assert all(each.signed_with(SECRET) for each in got)
    assert not any(each.signed_with(new_secret()) for each in got)
    assert [each.content["type"] for each in got] == ["task.completed"] * 4


async def test_without_an_endpoint_commits_cause_no_claims(
    desk: StoreHarness, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = 0
    claim = desk.store.webhooks.claim

    async def counted(*arguments: Any, **others: Any) -> Any:
        nonlocal claims
        claims += 1
        return await claim(*arguments, **others)

    monkeypatch.setattr(desk.store.webhooks, "claim", counted)
    monkeypatch.setattr(deliverer, "POLL_SECONDS", 1000.0)
    async with delivering(desk) as wake:
        for _ in range(20):
            await completed(desk)
            wake.notify(Topic.LOG)
    assert claims == 1
    monkeypatch.setattr(deliverer, "POLL_SECONDS", 0.02)
    async with delivering(desk):
        await completed(desk)
        await endpoint_at(desk, receiver.url)
        task = await completed(desk)
        got = await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 1)
    assert [each.task_id for each in got] == [task]


async def test_only_the_users_events_are_delivered(desk: StoreHarness, receiver: Receiver) -> None:
    await endpoint_at(desk, receiver.url, "bob")
    await completed(desk, "ann")
    task = await completed(desk, "bob")
    await completed(desk, "ann")
    async with delivering(desk):
        head = (await desk.store.latest_events(1)).head.position
        await state(desk, lambda each: each.position == head)
    assert [each.task_id for each in receiver.deliveries] == [task]


async def test_a_failure_holds_back_what_follows_until_it_was_delivered(desk: StoreHarness, receiver: Receiver) -> None:
    receiver.status = lambda number: 500 if number < 2 else 200
    await endpoint_at(desk, receiver.url)
    tasks = [await completed(desk) for _ in range(3)]
    async with delivering(desk) as wake:
        for failures, wait in enumerate(RETRY_AFTER[:2], start=1):
            found = await state(desk, lambda each, failures=failures: each.failures == failures)  # type: ignore[misc]
            assert found.last_error == "the endpoint answered with status 500"
            assert len(receiver.deliveries) == failures, "later messages overtook the one that failed"
            desk.clock.advance(wait)
            wake.notify(Topic.LOG)
        await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 5)
        await state(desk, lambda each: not each.failures and not each.last_error)
    assert [each.task_id for each in receiver.accepted] == tasks
    assert len({each.message_id for each in receiver.deliveries[:3]}) == 1, "a retry had another id"


async def test_after_the_last_attempt_messages_are_dead_letters_and_can_be_replayed(
    desk: StoreHarness, receiver: Receiver
) -> None:
    receiver.status = lambda _: 503
    await endpoint_at(desk, receiver.url)
    tasks = [await completed(desk) for _ in range(2)]
    async with delivering(desk) as wake:
        for failures, wait in enumerate(RETRY_AFTER, start=1):
            await state(desk, lambda each, failures=failures: each.failures == failures)  # type: ignore[misc]
            desk.clock.advance(wait)
            wake.notify(Topic.LOG)
        dead = await letters(desk, 2)
        assert [each.attempts for each in dead] == [len(RETRY_AFTER) + 1] * 2
        assert len(receiver.deliveries) == len(RETRY_AFTER) + 2, "an endpoint that is down got more than one attempt"

        receiver.status = lambda _: 204
        later = await completed(desk)
        wake.notify(Topic.LOG)
        await state(desk, lambda each: not each.failures)
        assert await desk.store.webhooks.request_replay("e1", []) == 2
        wake.notify(Topic.LOG)
        await asyncio.to_thread(receiver.wait_for, lambda _: len(receiver.deliveries) == len(RETRY_AFTER) + 5)
        async with asyncio.timeout(PATIENCE):
            while await desk.store.webhooks.dead_letters("e1"):
                continue
    assert [each.task_id for each in receiver.accepted] == [later, *tasks]
    replayed = receiver.accepted[1:]
    assert [each.message_id for each in replayed] == [each.message.message_id for each in dead]


async def test_private_addresses_get_nothing(desk: StoreHarness, receiver: Receiver) -> None:
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    async with delivering(desk, allowed=False):
        found = await state(desk, lambda each: each.failures == 1)
    assert "not a public address" in found.last_error
    assert receiver.deliveries == []


async def test_redirects_are_not_followed(desk: StoreHarness, receiver: Receiver) -> None:
    receiver.status = lambda _: 307
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    async with delivering(desk):
        found = await state(desk, lambda each: each.failures == 1)
    assert found.last_error == "the endpoint answered with status 307"
    assert len(receiver.deliveries) == 1


async def test_one_process_at_a_time_delivers(open_store: OpenStore) -> None:
    desk, other = open_store(), open_store()
    await endpoint_at(desk, "https://a.example")
    await completed(desk)
    (claimed,) = await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE)
    assert await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE) == []
    assert not await other.store.webhooks.advance("e1", "p2", 9, delivered=True), "a stranger moved the position"
    desk.clock.advance(LEASE)
    taken_over = await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE)
    assert [each.endpoint_id for each in taken_over] == ["e1"]
    assert not await desk.store.webhooks.advance("e1", "p1", claimed.position + 1, delivered=True), (
        "its claim had ended"
    )
    assert await other.store.webhooks.release("e1", "p2")
    assert len(await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE)) == 1


async def test_a_claim_lasts_while_it_is_renewed(open_store: OpenStore) -> None:
    desk, other = open_store(), open_store()
    await endpoint_at(desk, "https://a.example")
    await endpoint_at(desk, "https://b.example", name="e2")
    await completed(desk)
    assert len(await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE)) == 2
    for _ in range(3):
        desk.clock.advance(LEASE * 0.9)
        assert await desk.store.webhooks.renew("p1", ["e1", "e2"], lease_for=LEASE) == set()
        assert await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE) == []
    assert await other.store.webhooks.renew("p2", ["e1"], lease_for=LEASE) == {"e1"}, "it renewed another's claim"
    desk.clock.advance(LEASE)
    assert len(await other.store.webhooks.claim("p2", limit=1, lease_for=LEASE)) == 1
    assert await desk.store.webhooks.renew("p1", ["e1", "e2"], lease_for=LEASE) == {"e1", "e2"}
    await desk.store.webhooks.release_all("p1")
    assert [each.endpoint_id for each in await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE)] == ["e2"]
    await other.store.webhooks.release_all("p2")
    assert [each.endpoint_id for each in await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE)] == ["e1"]


class HeldSender(Sender):
    """Does not notice the receiver's answers before it is let go."""

    def __init__(self) -> None:
        super().__init__(allowed=LOOPBACK, allow_http=True)
        self.sent = asyncio.Event()
        self.let_go = asyncio.Event()

    async def send(self, endpoint: Endpoint, message: Message, now: datetime) -> None:
        await super().send(endpoint, message, now)
        self.sent.set()
        await self.let_go.wait()


async def test_a_slow_delivery_keeps_its_endpoint(
    open_store: OpenStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, other = open_store(), open_store()
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    renewed, renew = asyncio.Event(), desk.store.webhooks.renew

    async def observed(*of: Any, **lease: Any) -> Collection[str]:
        lost = await renew(*of, **lease)
        renewed.set()
        return lost

    monkeypatch.setattr(desk.store.webhooks, "renew", observed)
    sender = HeldSender()
    async with delivering(desk, sender=sender, heartbeat=timedelta(milliseconds=10)), asyncio.timeout(PATIENCE):
        await sender.sent.wait()
        for _ in range(3):
            # One that begins after the step, since the one under way may have read the time before it.
            desk.clock.advance(LEASE * 0.4)
            for _ in range(2):
                renewed.clear()
                await renewed.wait()
        assert await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE) == []
        sender.let_go.set()
        head = (await desk.store.latest_events(1)).head.position
        await state(desk, lambda each: each.position == head)
    assert len(receiver.deliveries) == 1


async def test_an_endpoint_of_a_silent_process_is_taken_over_in_order(
    open_store: OpenStore, receiver: Receiver
) -> None:
    desk, other = open_store(), open_store()
    await endpoint_at(desk, receiver.url)
    tasks = [await completed(desk) for _ in range(3)]
    head = (await desk.store.latest_events(1)).head.position
    sender = HeldSender()
    async with delivering(desk, sender=sender, heartbeat=timedelta(hours=1)):
        await asyncio.wait_for(sender.sent.wait(), PATIENCE)
        desk.clock.advance(LEASE)
        async with delivering(other, owner="p2"):
            await state(other, lambda each: each.position == head)
        sender.let_go.set()
        await completed(desk)
        await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 5)
    assert [each.task_id for each in receiver.deliveries[:4]] == [tasks[0], *tasks], (
        "more than the one under way came twice"
    )


async def test_a_process_that_ends_releases_its_endpoints(open_store: OpenStore, receiver: Receiver) -> None:
    desk, other = open_store(), open_store()
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    sender = HeldSender()
    async with delivering(desk, sender=sender):
        await asyncio.wait_for(sender.sent.wait(), PATIENCE)
        assert await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE) == []
    assert len(await other.store.webhooks.claim("p2", limit=9, lease_for=LEASE)) == 1


async def test_endpoints_are_claimed_in_turns(open_store: OpenStore) -> None:
    """One that always has something to deliver, such as one that is down, keeps no other waiting."""
    desk, other = open_store(), open_store()
    for name in ("e1", "e2", "e3"):
        await endpoint_at(desk, "https://a.example", name=name)
    await completed(desk)
    turns = []
    for process, owner in ((desk, "p1"), (other, "p2")) * 3:
        (claimed,) = await process.store.webhooks.claim(owner, limit=1, lease_for=LEASE)
        turns.append(claimed.endpoint_id)
        desk.clock.advance(timedelta(seconds=1))
        await process.store.webhooks.release(claimed.endpoint_id, owner)
    assert turns == ["e1", "e2", "e3", "e1", "e2", "e3"]


async def test_each_turn_comes_further(desk: StoreHarness, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(deliverer, "PAGE", 2)
    await endpoint_at(desk, receiver.url, "bob")
    for _ in range(4):
        await completed(desk, "ann")
    tasks = [await completed(desk, "bob") for _ in range(2)]
    async with delivering(desk):
        await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 2)
    assert [each.task_id for each in receiver.deliveries] == tasks


async def buried(desk: StoreHarness, count: int) -> list[str]:
    """Make dead letters of the endpoint `e1`, and request them again; return the ids of their messages."""
    await desk.store.webhooks.claim("p0", limit=9, lease_for=LEASE)
    messages = [
        Message(message_id=f"dead{n}", user_id="ann", body=b"{}", revision=n, type="task.completed")
        for n in range(count)
    ]
    position = (await desk.store.latest_events(1)).head.position
    for each in messages:
        letter = replace(each, revision=position)
        assert await desk.store.webhooks.bury("e1", "p0", letter, attempts=9, error="status 500")
    await desk.store.webhooks.release_all("p0")
    assert await desk.store.webhooks.request_replay("e1", []) == count
    return [each.message_id for each in messages]


async def test_a_long_replay_does_not_hold_back_events(
    desk: StoreHarness, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "TURN_SECONDS", 0.0)
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    dead = await buried(desk, 3)
    for _ in range(2):
        await completed(desk)
    async with delivering(desk):
        got = await asyncio.to_thread(receiver.wait_for, lambda each: len(each) == 5)
    ids = [each.message_id for each in got]
    assert [each for each in ids if each in dead] == dead
    assert ids.index(dead[-1]) == 4, "an event waited for all of the replay"


async def test_a_deleted_endpoint_gets_no_further_messages(desk: StoreHarness, receiver: Receiver) -> None:
    await endpoint_at(desk, receiver.url)
    await completed(desk)
    await buried(desk, 3)
    sender = HeldSender()
    async with delivering(desk, sender=sender, heartbeat=timedelta(hours=1)), asyncio.timeout(PATIENCE):
        await sender.sent.wait()
        (work,) = (each for each in asyncio.all_tasks() if each.get_name() == "webhook-e1")
        await desk.store.webhooks.remove("e1")
        sender.let_go.set()
        await work
    assert [each.message_id for each in receiver.deliveries] == ["dead0"]


async def test_a_new_secret_signs_from_the_next_message_on(desk: StoreHarness, receiver: Receiver) -> None:
    await endpoint_at(desk, receiver.url)
    tasks = [await completed(desk) for _ in range(3)]
    head = (await desk.store.latest_events(1)).head.position
    fresh, sender = new_secret(), HeldSender()
    async with delivering(desk, sender=sender), asyncio.timeout(PATIENCE):
        await sender.sent.wait()
        await desk.store.webhooks.rotate("e1", fresh, keep=timedelta(0))
        sender.let_go.set()
        await state(desk, lambda each: each.position == head)
    assert [each.task_id for each in receiver.deliveries] == [tasks[0], *tasks]
    assert [each.signed_with(fresh) for each in receiver.deliveries] == [False, True, True, True]
    assert not any(each.signed_with(SECRET) for each in receiver.deliveries[1:])


async def test_the_signatures_fit_into_a_header_however_often_the_secret_is_rotated(desk: StoreHarness) -> None:
    await endpoint_at(desk, "https://a.example")
    for _ in range(webhooks.MAX_SECRETS - 1):
        rotated = await desk.store.webhooks.rotate("e1", new_secret(), keep=timedelta(hours=1))
    with pytest.raises(InvalidRequest):
        await desk.store.webhooks.rotate("e1", new_secret(), keep=timedelta(hours=1))
    assert await desk.store.webhooks.endpoints() == [rotated], "a rejected rotation changed the secrets"
    fresh = new_secret()
    alone = await desk.store.webhooks.rotate("e1", fresh, keep=timedelta(0))
    assert [each.text for each in alone.secrets] == [fresh]


async def test_endpoints_are_created_rotated_and_deleted(desk: StoreHarness) -> None:
    await completed(desk)
    made = await endpoint_at(desk, "https://a.example", "ann")
    assert made.position == (await desk.store.latest_events(1)).head.position
    assert await desk.store.webhooks.endpoints() == [made]
    assert await desk.store.webhooks.claim("p1", limit=9, lease_for=LEASE) == [], "there is nothing to deliver yet"
    fresh = new_secret()
    rotated = await desk.store.webhooks.rotate("e1", fresh, keep=timedelta(hours=1))
    assert [each.text for each in rotated.secrets] == [fresh, SECRET]
    assert await desk.store.webhooks.endpoints() == [rotated]
    await desk.store.webhooks.remove("e1")
    for gone in (desk.store.webhooks.remove("e1"), desk.store.webhooks.request_replay("e1", [])):
        with pytest.raises(WebhookNotFound):
            await gone
