"""Acks over a real socket: what is not confirmed comes again, and who never confirms is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, World, token_for
from tests.support.driven_service import DrivenService
from ws_gateway import notifications
from ws_gateway.session import Session, SessionLimits
from ws_gateway.settings import Settings


@pytest.fixture
async def impatient(
    service: DrivenService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A gateway that waits a fifth of a second for an ack instead of ten."""

    def session(**options: Any) -> Session:
        return Session(**options, limits=SessionLimits(ack_timeout=0.2))

    monkeypatch.setattr(notifications, "Session", session)
    async with running(service, settings) as world:
        yield world


async def owes_nothing(client: Client) -> None:
    """Check that nothing with an id comes for as long as it takes to ask for five acks."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await client.until(lambda message: "id" in message)


async def test_what_is_not_acked_comes_again_with_the_same_id_then_the_socket_closes(impatient: World) -> None:
    async with impatient.open_raw(f"?token={token_for('ann')}&ack=1") as socket:
        client = Client(socket)
        await client.settled()
        await impatient.service.submit("ann")
        for _ in range(4):
            assert (await client.next())["id"] == "e0:1"
        assert await client.close_code() == 4101


async def test_an_ack_ends_it_and_owes_the_next(impatient: World) -> None:
    async with impatient.open() as client:
        await impatient.service.submit("ann")
        await client.next()
        await client.send(type="ack", message_id="e0:1")
        await client.settled()
        await impatient.service.submit("ann")
        assert [(await client.next())["id"] for _ in range(2)] == ["e0:2", "e0:2"]
        await client.send(type="ack", message_id="e0:2")
        await client.settled()
        await owes_nothing(client)


async def test_who_never_acks_and_did_not_say_so_owes_nothing(impatient: World) -> None:
    async with impatient.open() as client:
        await impatient.service.submit("ann")
        await client.next()
        await owes_nothing(client)
        await client.settled()
