"""No operation locks the log's head before the breakers that a later one of its batch may change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import event

from generator_service.domain.breaker import BLOBS, Outage
from generator_service.domain.revocation import NewRevocation
from generator_service.domain.task import WaitReason
from tests.support.store import LEASE, StoreHarness

OUTAGE = Outage(reason=WaitReason.STORE_UNAVAILABLE, code="images_unavailable", message="away", dependency=BLOBS)


def revoked(desk: StoreHarness) -> Coroutine[Any, Any, object]:
    now = desk.clock.now()
    return desk.store.revoke(NewRevocation(session_id="s", user_id="ann", revoked_at=now, expires_at=now + LEASE))


@pytest.mark.parametrize(
    "first",
    [lambda desk: desk.store.probe(), lambda desk: desk.store.renew_epoch("another"), revoked],
    ids=["probe", "renewal", "revocation"],
)
async def test_breakers_are_locked_before_the_head(
    desk: StoreHarness, first: Callable[[StoreHarness], Coroutine[Any, Any, object]]
) -> None:
    await desk.store.trip(OUTAGE)
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    with desk.commits.held():
        added = asyncio.create_task(desk.add())
        await desk.commits.stuck()
        batch = [asyncio.ensure_future(first(desk)), asyncio.ensure_future(desk.store.trip(OUTAGE))]
        await asyncio.sleep(0)
        event.listen(desk.store._writing, "before_cursor_execute", note)
        desk.commits.go_on()
        await asyncio.gather(added, *batch)
    locked = [
        table
        for statement in sent
        for table, verbs in (("breakers", ("SELECT", "INSERT INTO")), ("log_head", ("SELECT", "UPDATE")))
        if statement.startswith(tuple(f"{verb} {table}" for verb in verbs))
    ]
    assert set(locked) == {"breakers", "log_head"}
    assert locked == sorted(locked)
