"""A client that does not read is given up, loses nothing by it, and costs the others nothing."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from tests.integration.gateway.world import PATIENCE, Client, World, token_for

BIG = "x" * 20_000
"""A file name that makes every message large, so that the buffers of the kernel fill soon."""


def narrow_socket(world: World) -> socket.socket:
    """Connect with a receive buffer as small as the system allows."""
    host, port = world.base.split(":")
    result = socket.socket()
    result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    result.connect((host, int(port)))
    result.setblocking(False)
    return result


async def drained(connection: ClientConnection) -> None:
    """Read to the end, and raise how it ended."""
    while True:
        await connection.recv()


async def test_a_stalled_client_is_closed_and_costs_the_others_nothing(world: World) -> None:
    async with (
        world.open_raw(f"?token={token_for('ann')}", sock=narrow_socket(world), max_queue=1) as stalled,
        world.open("ann") as sister,
        world.open("bob") as other,
    ):
        await Client(stalled).settled()
        slowest = 0.0
        deadline = time.monotonic() + PATIENCE
        last = None
        # It never reads again; the news of the same user go on.
        while len(world.server.gateway.connections) == 3:
            assert time.monotonic() < deadline, "the stalled client is still open"
            began = time.monotonic()
            last = await world.service.submit("ann", filename=BIG)
            mine = await world.service.submit("bob")
            await sister.until(lambda m, task=last: m["task_id"] == task.task_id)  # type: ignore[misc]
            await other.until(lambda m, task=mine: m["task_id"] == task.task_id)  # type: ignore[misc]
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0, f"a message took {slowest:.3f} s to clients that read"
        assert last is not None
        # What the kernel held is read late; behind it comes the end.
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionClosedError, match="KiB behind for 5 s"):
                await drained(stalled)
        assert stalled.close_code == 4101
        ids = [message["id"] for message in sister.messages if "id" in message]
        async with world.open("ann", since=ids[0]) as back:
            await back.until(lambda m: m.get("id") == ids[-1])
            assert [m["id"] for m in back.messages if "id" in m] == ids[1:]


async def test_a_client_that_pauses_and_reads_on_in_time_stays(world: World) -> None:
    async with world.open("ann", max_queue=1) as client:
        last = ""
        for _ in range(60):
            last = f"e0:{(await world.service.submit('ann', filename=BIG)).seq}"
        await asyncio.sleep(2)  # the pause itself is what is tested
        messages = await client.until(lambda m: m.get("id") == last)
        # Places in the queue are told in between, on a slow machine.
        assert [m["id"] for m in messages if "id" in m] == [f"e0:{seq}" for seq in range(1, 61)]
        await client.settled()


async def test_a_long_sync_over_a_slow_line_never_counts(world: World) -> None:
    for _ in range(400):
        await world.service.submit("ann", filename=BIG)
    query = f"?token={token_for('ann')}&since=e0:0"
    async with world.open_raw(query, sock=narrow_socket(world), max_queue=1) as slow:
        client = Client(slow)
        began = time.monotonic()
        while time.monotonic() - began < 6.5:
            # Slower than the gateway sends, faster than not at all.
            await client.next()
            await asyncio.sleep(0.1)
        await client.until(lambda m: m.get("id") == "e0:400")
        assert [m["id"] for m in client.messages if "id" in m] == [f"e0:{seq}" for seq in range(1, 401)]
        await client.settled()
