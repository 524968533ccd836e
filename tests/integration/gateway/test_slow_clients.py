"""A client that does not read is disconnected; it loses no events, and other clients are unaffected."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.clock import SkewedClock
from tests.support.patience import PATIENCE, eventually
from ws_gateway.protocol.session import SessionLimits

BIG = "x" * 20_000
"""A file name that makes every message large, so that the kernel's buffers fill soon."""
EVENTS = 100
"""Events of a sync: several times what the kernel's buffers take in."""
BUFFER_BYTES = 64 * 1024
"""Of the client's end of a connection; by default it takes in megabytes, and far fewer would make reading slow."""
PATIENCE_OF_THE_GATEWAY = timedelta(seconds=SessionLimits().behind_seconds)
"""How long a client may be behind."""


def narrow_socket(world: GatewayHarness) -> socket.socket:
    """Connect with a small receive buffer."""
    host, port = world.base.split(":")
    result = socket.socket()
    result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    result.connect((host, int(port)))
    result.setblocking(False)
    return result


async def looked_at(clock: SkewedClock) -> None:
    """Return once the gateway has checked a client that does not read, at the clock's current time."""
    looks = clock.reads + 2  # It may be about to compare a time that it read before.
    await eventually(lambda: clock.reads >= looks)


def unread(world: GatewayHarness) -> dict[str, Any]:
    """Return the options of a connection that may stay unread for as long as the test takes.

    The client's own keepalive is off: while reading is paused, it would miss the answers to its pings, and close.
    """
    return {"sock": narrow_socket(world), "max_queue": 1, "ping_interval": None}


def is_behind(world: GatewayHarness) -> bool:
    """Return whether more waits to be written than a client of live events may be behind with."""
    return world.server.gateway.connections.unsent() > SessionLimits().behind_bytes


def closed_as_too_slow(world: GatewayHarness) -> float | None:
    return world.server.gateway.metrics.registry.get_sample_value("whitebg_ws_closes_total", {"code": "4101"})


async def drained(connection: ClientConnection) -> None:
    """Read to the end, and raise the error that ended it."""
    while True:
        await connection.recv()


async def test_a_stalled_client_is_closed_and_costs_the_others_nothing(
    world: GatewayHarness, clock: SkewedClock
) -> None:
    async with (
        world.open_raw(f"?token={token_for('ann')}", **unread(world)) as stalled,
        world.open("ann") as sister,
        world.open("bob") as other,
    ):
        await Client(stalled).settled()
        deadline = time.monotonic() + PATIENCE
        last = None
        # It never reads again; the events of the same user continue.
        while len(world.server.gateway.connections) == 3:
            assert time.monotonic() < deadline, "the stalled client is still open"
            last = await world.service.submit("ann", filename=BIG)
            mine = await world.service.submit("bob")
            # No time passes for the gateway meanwhile: a client that waited for the stalled one would wait forever.
            await sister.until(lambda m, task=last: m["task_id"] == task.task_id)  # type: ignore[misc]
            await other.until(lambda m, task=mine: m["task_id"] == task.task_id)  # type: ignore[misc]
            clock.advance(PATIENCE_OF_THE_GATEWAY / 20)
        assert last is not None
        await eventually(lambda: closed_as_too_slow(world) == 1)
        # The close frame is behind the data in the kernel's buffers. The gateway drops the connection after some
        # seconds, so a slow machine may not read that far.
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionClosedError):
                await drained(stalled)
        assert stalled.close_code in {4101, 1006}
        ids = [message["id"] for message in sister.messages if "id" in message]
        async with world.open("ann", since=ids[0]) as back:
            await back.until(lambda m: m.get("id") == ids[-1])
            assert [m["id"] for m in back.messages if "id" in m] == ids[1:]


async def test_a_client_that_pauses_and_reads_on_in_time_stays(world: GatewayHarness, clock: SkewedClock) -> None:
    clock.stop()
    async with world.open("ann", **unread(world)) as client:
        sent = 0
        # What the operating system takes in doesn't count.
        async with asyncio.timeout(PATIENCE):
            while not is_behind(world):
                sent = (await world.service.submit("ann", filename=BIG)).seq
        # It takes little, so a ping is not far behind: a client that reads slowly answers in time.
        assert sent * len(BIG) < 500_000
        await looked_at(clock)
        clock.advance(PATIENCE_OF_THE_GATEWAY * 0.9)
        await looked_at(clock)
        messages = await client.until(lambda m: m.get("id") == f"e0:{sent}")
        # On a slow machine, queue positions are sent in between.
        assert [m["id"] for m in messages if "id" in m] == [f"e0:{seq}" for seq in range(1, sent + 1)]
        await client.settled()


async def test_a_long_sync_over_a_slow_line_never_counts(world: GatewayHarness, clock: SkewedClock) -> None:
    for _ in range(EVENTS):
        await world.service.submit("ann", filename=BIG)
    clock.stop()
    query = f"?token={token_for('ann')}&since=e0:0"
    async with world.open_raw(query, **unread(world)) as slow:
        client = Client(slow)
        # Slower than the gateway sends, but not stalled.
        for _ in range(2):
            await client.next()
            await eventually(lambda: is_behind(world))
            clock.advance(PATIENCE_OF_THE_GATEWAY)
            await looked_at(clock)
        await client.until(lambda m: m.get("id") == f"e0:{EVENTS}")
        assert [m["id"] for m in client.messages if "id" in m] == [f"e0:{seq}" for seq in range(1, EVENTS + 1)]
        await client.settled()
