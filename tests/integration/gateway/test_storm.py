"""All clients lose the gateway at once, and come back to another one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, World
from tests.support.driven_service import DrivenService
from ws_gateway.settings import Settings

CLIENTS = 300


async def open_all(world: World, stack: AsyncExitStack, cursors: dict[str, str]) -> list[Client]:
    users = list(cursors)
    opened: list[Client] = []
    for begin in range(0, CLIENTS, 50):
        some = [world.open(user, since=cursors[user], v2=True) for user in users[begin : begin + 50]]
        opened += await asyncio.gather(*(stack.enter_async_context(each) for each in some))
    return opened


async def synced(client: Client) -> str:
    """Wait for the end of the sync; return the cursor."""
    head: str = (await client.until(lambda m: m["type"] == "sync_end"))[-1]["head"]
    return head


async def test_everybody_is_told_when_to_return_and_returns_in_sync(service: DrivenService, settings: Settings) -> None:
    users = [f"user{n}" for n in range(CLIENTS)]
    for user in users:
        await service.submit(user)
    cursors = dict.fromkeys(users, "e0:0")
    async with running(service, settings) as world, AsyncExitStack() as stack:
        clients = await open_all(world, stack, cursors)
        cursors = dict(zip(users, await asyncio.gather(*map(synced, clients)), strict=True))
        world.server.should_exit = True
        told = await asyncio.gather(*(client.until(lambda m: m["type"] == "going_away") for client in clients))
        delays = sorted(messages[-1]["retry_after_ms"] for messages in told)
        assert {await client.close_code() for client in clients} == {4200}
    assert len(set(delays)) > CLIENTS // 4, "all would come back at once"
    assert delays[0] >= 200
    assert delays[-1] - delays[0] > CLIENTS
    async with running(service, settings) as world, AsyncExitStack() as stack:
        reads = service.database_reads
        for user in users:
            await service.submit(user)
        # A gateway remembers what it has seen itself; what was before, the service's own ring tells.
        clients = await open_all(world, stack, cursors)
        heads = await asyncio.gather(*map(synced, clients))
        assert heads == ["e0:2"] * CLIENTS
        for client in clients:
            assert [m["id"] for m in client.messages if "id" in m] == ["e0:2"]
        assert service.database_reads == reads, "the ring serves them, not one read per client"
