"""Acks over a real socket: unacked messages are repeated, and a client that never acks is disconnected."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.clock import SkewedClock
from ws_gateway.protocol.session import SessionLimits

LIMITS = SessionLimits()
TIMEOUT = timedelta(seconds=LIMITS.ack_timeout)


async def next_with_an_id(client: Client) -> str:
    """Return the id of the next message with one. The ping makes the gateway check its clock at once."""
    await client.send(type="ping")
    identified: str = (await client.until(lambda message: "id" in message))[-1]["id"]
    return identified


async def owes_nothing(client: Client, clock: SkewedClock) -> None:
    """Check that no message with an id arrives within five ack timeouts."""
    for _ in range(5):
        clock.advance(TIMEOUT)
        # Messages due by the clock are sent before the second pong, before or after the first one.
        for _ in range(2):
            await client.send(type="ping")
            answers = await client.until(lambda message: message["type"] == "pong")
            assert not [message["id"] for message in answers if "id" in message]


async def test_what_is_not_acked_comes_again_with_the_same_id_then_the_socket_closes(
    world: GatewayHarness, clock: SkewedClock
) -> None:
    clock.stop()
    async with world.open_raw(f"?token={token_for('ann')}&ack=1") as socket:
        client = Client(socket)
        await client.settled()
        await world.service.submit("ann")
        assert await next_with_an_id(client) == "e0:1"
        for _ in range(LIMITS.ack_resends):
            clock.advance(TIMEOUT)
            assert await next_with_an_id(client) == "e0:1"
        clock.advance(TIMEOUT)
        with suppress(ConnectionClosed):  # The gateway may have checked its clock already.
            await client.send(type="ping")
        assert await client.close_code() == 4101


async def test_an_ack_ends_it_and_owes_the_next(world: GatewayHarness, clock: SkewedClock) -> None:
    async with world.open() as client:
        await world.service.submit("ann")
        await client.next()
        await client.send(type="ack", message_id="e0:1")
        await client.settled()
        await world.service.submit("ann")
        assert await next_with_an_id(client) == "e0:2"
        clock.advance(TIMEOUT)
        assert await next_with_an_id(client) == "e0:2"
        await client.send(type="ack", message_id="e0:2")
        await client.settled()
        await owes_nothing(client, clock)


async def test_who_never_acks_and_did_not_say_so_owes_nothing(world: GatewayHarness, clock: SkewedClock) -> None:
    async with world.open() as client:
        await world.service.submit("ann")
        await client.next()
        await owes_nothing(client, clock)
        await client.settled()
