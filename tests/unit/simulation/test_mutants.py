"""Mutants of the code: known mistakes, put in one at a time, each found within a bounded number of seeds."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from generator_service.domain import routing, transitions
from generator_service.domain.errors import LeaseLost, TaskNotFound
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Lease, Task, TaskState
from generator_service.domain.usage import Usage
from generator_service.domain.webhook import Endpoint, Message, message_of
from generator_service.store import operations, queries
from generator_service.store.limits import Limits
from generator_service.store.unit_of_work import UnitOfWork
from generator_service.watch.feed import Batch, Feeds, WatchRequest, _Feed
from generator_service.webhooks import deliverer
from generator_service.webhooks.deliverer import Deliverer
from tools.checker.violation import Guarantee
from tools.simulation.client import ClientWorld
from tools.simulation.feed import FeedWorld
from tools.simulation.revocation import RevocationWorld
from tools.simulation.schedule import Found, World, search
from tools.simulation.session import SessionWorld
from tools.simulation.store import StoreWorld
from whitebg import models
from whitebg.convert.updates import updates_from_proto
from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.auth.revocations import Revocations
from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.protocol.messages import Page
from ws_gateway.protocol.session import Session


def found_in(world: World, *, seeds: int) -> Found:
    """Return the first failure; there must be one. The store's are not shrunk: each run takes long."""
    found = search(world, first=1, schedules=seeds, shrinking=not isinstance(world, StoreWorld))
    assert found is not None, f"the mutant survived {seeds} seeds"
    return found


def test_a_slot_that_a_cancelled_task_keeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    update = UnitOfWork.update_task

    def leak(self: UnitOfWork, before: Task, event: EventType, after: Task) -> Task:
        if event is EventType.CANCELLED and before.state is TaskState.PROCESSING:
            before = replace(before, state=TaskState.CANCELLED)
        return update(self, before, event, after)

    monkeypatch.setattr(UnitOfWork, "update_task", leak)
    assert Guarantee.NOT_STUCK.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_report_without_its_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def held(uow: UnitOfWork, lease: Lease, usage: Usage | None = None) -> Task:
        task = uow.task(lease.task_id)
        if task is None or task.state is not TaskState.PROCESSING:
            raise LeaseLost(lease.task_id, lease.attempt)
        return task if usage is None else replace(task, attempt_usage=usage)

    monkeypatch.setattr(operations, "_held", held)
    assert Guarantee.FENCED.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_rate_limit_that_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    snooze = transitions.snooze

    def count(task: Task, **fields: Any) -> Task:
        return replace(snooze(task, **fields), failures=task.failures + 1)

    monkeypatch.setattr(transitions, "snooze", count)
    assert Guarantee.ATTEMPTS.name in str(found_in(StoreWorld(tmp_path), seeds=30))


def test_an_event_that_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The row changes and the event is to follow in another transaction, which a crash prevents."""
    update = UnitOfWork.update_task

    def forget(self: UnitOfWork, before: Task, event: EventType, after: Task) -> Task:
        updated = update(self, before, event, after)
        if event is EventType.RETRYING:
            self._recorded.pop()
        return updated

    monkeypatch.setattr(UnitOfWork, "update_task", forget)
    text = str(found_in(StoreWorld(tmp_path), seeds=60))
    assert any(guarantee.name in text for guarantee in (Guarantee.ATOMIC, Guarantee.SEQS)), text


def test_a_limit_that_is_off_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require = Limits.require

    def lenient(self: Limits, user_id: str, *, pending: int, **others: Any) -> None:
        require(self, user_id, pending=pending - 1, **others)

    monkeypatch.setattr(Limits, "require", lenient)
    assert Guarantee.QUOTA.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_claim_that_ignores_a_pause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(routing, "PAUSE", "no pause")
    assert Guarantee.PAUSED.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_read_from_a_cache_that_no_deletion_clears(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    get = queries.get
    cache: dict[int, Task] = {}

    def stale(connection: Connection, task_id: int, user_id: str | None) -> Task:
        try:
            cache[task_id] = get(connection, task_id=task_id, user_id=user_id)
        except TaskNotFound:
            if task_id not in cache:
                raise
        return cache[task_id]

    monkeypatch.setattr(queries, "get", stale)
    assert Guarantee.GONE.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_webhook_that_is_done_before_it_is_delivered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempt = Deliverer._attempt

    async def early(self: Deliverer, endpoint: Endpoint, message: Message, revision: int, failures: int) -> int | None:
        await self._webhooks.advance(endpoint.endpoint_id, self._owner, revision, delivered=True)
        return await attempt(self, endpoint, message, revision, failures)

    monkeypatch.setattr(Deliverer, "_attempt", early)
    text = str(found_in(StoreWorld(tmp_path), seeds=60))
    assert Guarantee.WEBHOOK_DELIVERED.name in text


def test_a_webhook_that_overtakes_a_rejected_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempt = Deliverer._attempt

    async def overtake(self: Deliverer, endpoint: Endpoint, *message: Any) -> int | None:
        outcome = await attempt(self, endpoint, *message)
        return 0 if outcome is None else outcome

    monkeypatch.setattr(Deliverer, "_attempt", overtake)
    assert Guarantee.WEBHOOK_ORDER.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_repeated_webhook_with_another_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numbers = itertools.count()

    def renamed(event: TaskEvent, epoch: str) -> Message:
        return replace(message_of(event, epoch), message_id=f"evt_{next(numbers)}")

    monkeypatch.setattr(deliverer, "message_of", renamed)
    assert Guarantee.WEBHOOK_ONCE.name in str(found_in(StoreWorld(tmp_path), seeds=60))


def test_a_cursor_that_moves_before_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    def early(response: pb.WatchTasksResponse, cursor: str, *, all_users: bool) -> Iterator[models.WatchUpdate]:
        for update in updates_from_proto(response, cursor, all_users=all_users):
            yield replace(update, cursor=response.cursor or update.cursor)

    monkeypatch.setattr("whitebg.watch.updates_from_proto", early)
    found = found_in(ClientWorld(), seeds=100)
    assert Guarantee.NO_GAP.name in str(found)
    assert len(found.schedule) <= 2


def test_a_session_that_forwards_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Session._live

    def early(self: Session, message: Any) -> None:
        if isinstance(message.cursor, UserCursor) and self.position is not None:
            self._next_seq = message.cursor.seq
        live(self, message)

    monkeypatch.setattr(Session, "_live", early)
    found_in(SessionWorld(), seeds=2000)


def test_a_session_that_drops_events_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its history is read, but it is not registered for live events until then."""
    monkeypatch.setattr(Session, "_keep", lambda _self, _message: None)
    found_in(SessionWorld(), seeds=5000)


def test_a_feed_that_reads_before_it_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch(self: Feeds, request: WatchRequest) -> AsyncIterator[Batch]:
        with ExitStack() as early:
            feed = _Feed(self, early.enter_context(self.watchers.open(request.scope, request.session)), request)
        async for batch in feed.catch_up():
            yield batch
        with self.watchers.open(request.scope, request.session) as watcher:
            feed._watcher = watcher
            async for batch in feed.live():
                yield batch

    monkeypatch.setattr(Feeds, "watch", watch)
    found_in(FeedWorld(), seeds=500)


def test_a_snapshot_that_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Session._begin

    def silent(self: Session, page: Page) -> None:
        self._begun = page.mode
        begin(self, page)

    monkeypatch.setattr(Session, "_begin", silent)
    found_in(SessionWorld(), seeds=2000)


def test_a_revocation_that_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Revocations, "covers", lambda _self, **_token: False)
    assert Guarantee.REVOKED.value in str(found_in(RevocationWorld(), seeds=200))


def test_a_gap_in_the_revocations_that_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Revocations.take

    def trusting(self: Revocations, revocation: pb.Revocation) -> bool:
        take(self, revocation)
        return True

    monkeypatch.setattr(Revocations, "take", trusting)
    assert Guarantee.REVOKED.value in str(found_in(RevocationWorld(), seeds=500))
