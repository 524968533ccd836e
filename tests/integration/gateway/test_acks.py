"""Acks over a real socket: what is not confirmed comes again, and who never confirms is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, World, token_for
from tests.support.fake_service import FakeServer
from ws_gateway import notifications
from ws_gateway.session import Session, SessionLimits
from ws_gateway.settings import Settings


@pytest.fixture
async def impatient(service: FakeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A gateway that waits a fifth of a second for an ack instead of ten."""

    def session(**options: Any) -> Session:
        return Session(**options, limits=SessionLimits(ack_timeout=0.2))

    monkeypatch.setattr(notifications, "Session", session)
    async with running(service, settings) as world:
        yield world


async def test_what_is_not_acked_comes_again_with_the_same_id_then_the_socket_closes(impatient: World) -> None:
    async with impatient.open_raw(f"?token={token_for('ann')}&ack=1") as socket:
        client = Client(socket)
        await client.settled()
        impatient.log.submit("ann")
        for _ in range(4):
            assert (await client.next())["id"] == "e0:1"
        assert await client.close_code() == 4101


async def test_an_ack_ends_it_and_owes_the_next(impatient: World) -> None:
    async with impatient.open() as client:
        impatient.log.submit("ann")
        await client.next()
        await client.send(type="ack", message_id="e0:1")
        await client.settled()
        impatient.log.submit("ann")
        assert [(await client.next())["id"] for _ in range(2)] == ["e0:2", "e0:2"]
        await client.send(type="ack", message_id="e0:2")
        await client.settled()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await client.next()


async def test_who_never_acks_and_did_not_say_so_owes_nothing(impatient: World) -> None:
    async with impatient.open() as client:
        impatient.log.submit("ann")
        await client.next()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await client.next()
        await client.settled()
