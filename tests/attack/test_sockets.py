"""Attacks on the WebSocket that need no account, or an ordinary one. Rates have their own tests: `test_limits.py`."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.settings import Settings
from ws_gateway.websocket.transport import FRAMES_AT_ONCE


async def test_a_flood_of_failed_handshakes(service: DrivenService, settings: Settings) -> None:
    """One address tries made-up tokens in a storm: after the limit none is checked, and the open sockets stay."""
    async with (
        running(service, settings.model_copy(update={"failed_handshakes_per_minute": 20})) as world,
        world.open("ann") as client,
    ):

        async def attempt(number: int) -> int | None:
            async with world.open_raw(f"?token=made-up-{number}") as socket:
                return await Client(socket).close_code()

        codes = await asyncio.gather(*(attempt(number) for number in range(60)))
        assert set(codes) == {4001, 4103}
        # Attempts in flight when the limit is reached are still answered by themselves.
        assert [await attempt(number) for number in range(5)] == [4103] * 5
        await client.settled()


async def test_sockets_that_send_no_token(service: DrivenService, settings: Settings) -> None:
    """Sockets are opened and left silent, to hold memory: each is closed once the time to sign in is over."""
    silent = settings.model_copy(update={"auth_timeout": settings.auth_timeout / 20})
    async with running(service, silent) as world:
        sockets = [await world.open_raw("") for _ in range(30)]
        assert await asyncio.gather(*(Client(each).close_code() for each in sockets)) == [4001] * 30


async def test_compression_is_not_negotiated(world: GatewayHarness) -> None:
    """A client offers permessage-deflate, by which small frames inflate in the server's memory: it is not accepted."""
    url = f"ws://{world.base}/ws/notifications?token={token_for('ann')}"
    async with connect(url, compression="deflate", open_timeout=PATIENCE) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await Client(socket).settled()


async def test_a_compressed_bomb_over_http(world: GatewayHarness) -> None:
    """A body of a gigabyte of zeros arrives compressed: bodies are not inflated, and this one is no JSON."""
    bomb = zlib.compress(bytes(10 * 1024 * 1024), 9)
    headers = world.headers("ann") | {"Content-Encoding": "deflate", "Content-Type": "application/json"}
    answer = await world.http.post("/api/messages/sync", content=bomb, headers=headers)
    assert answer.status_code in {400, 415, 422}, answer.text


@pytest.mark.parametrize("size", [65 * 1024, 2 * 1024 * 1024])
async def test_a_frame_that_is_too_long(world: GatewayHarness, size: int) -> None:
    """A frame beyond the limit of 64 KiB: the socket is closed, and others are unaffected."""
    async with world.open("bob") as other:
        async with world.open("ann") as client:
            await client.socket.send("x" * size)
            assert await client.close_code() in {4004, 1009}
        await other.settled()


@pytest.mark.parametrize("flood", ["message", "ping", "fragment"])
async def test_more_frames_than_a_client_has_reason_to_send(world: GatewayHarness, flood: str) -> None:
    """An account floods the gateway with frames: its socket is closed, and the others stay."""
    async with world.open("bob") as bob, world.open_raw(f"?token={token_for('ann')}") as socket:
        await Client(socket).settled()

        async def send() -> None:
            for number in range(20 * FRAMES_AT_ONCE):
                if flood == "message":
                    await socket.send('{"type":"ping"}')
                elif flood == "ping":
                    await socket.ping(str(number))
                else:
                    await socket.send([""] * 10)

        async def read() -> None:
            async for _ in socket:
                continue

        # The close frame is lost where the flood is still under way.
        with suppress(ConnectionClosed):
            await asyncio.gather(read(), send())
        assert await Client(socket).close_code() in {1006, 4101}
        await bob.settled()


async def test_acks_of_all_messages_are_never_too_many(world: GatewayHarness) -> None:
    async with world.open_raw(f"?token={token_for('ann')}&ack=1") as socket:
        client = Client(socket)
        await world.service.submit_many("ann", 3 * FRAMES_AT_ONCE)
        seen = 0
        while seen < 3 * FRAMES_AT_ONCE:
            message = await client.next()
            if message["type"] == "task_update" and "id" in message:
                await client.send(type="ack", message_id=message["id"])
                seen += 1
        await client.settled()
