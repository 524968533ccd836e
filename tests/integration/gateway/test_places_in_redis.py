"""A user's open sockets, counted by several gateways together, also by separate processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.conftest import running
from tests.integration.gateway.test_metrics import sample
from tests.integration.gateway.world import SECRET, Client, GatewayHarness, token_for
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE, eventually
from tests.support.processes import Program, free_port
from tests.support.redis import RedisServer, redis_server
from tools.certificates import make_certificates
from ws_gateway.settings import Settings

LEASE = 2


@pytest.fixture
def together(settings: Settings, redis: RedisServer) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(redis.url), "connections_per_user": 3})


async def let_in(client: Client) -> bool:
    """Return whether the socket got a slot."""
    try:
        await client.settled()
    except ConnectionClosed:
        assert client.socket.close_code == 4103
        return False
    return True


async def refused(world: GatewayHarness) -> bool:
    """Try to open one more of Ann's sockets; return whether it was over the limit."""
    async with world.open_raw(f"?token={token_for('ann')}") as socket:
        return not await let_in(Client(socket))


async def test_one_too_many_at_all_gateways_together(service: DrivenService, together: Settings) -> None:
    async with running(service, together) as here, running(service, together) as there, AsyncExitStack() as stack:
        first = await stack.enter_async_context(here.open("ann"))
        await stack.enter_async_context(there.open("ann"))
        await stack.enter_async_context(there.open("ann"))
        assert [await refused(world) for world in (here, there)] == [True, True]
        async with there.open("bob"):
            pass
        await first.socket.close()
        await eventually(lambda: len(here.server.gateway.connections) == 0)
        async with asyncio.timeout(PATIENCE):
            while await refused(there):
                continue
        await stack.enter_async_context(there.open("ann"))
        assert await refused(here)


async def test_a_storm_of_one_user_at_both_gateways(service: DrivenService, together: Settings) -> None:
    async with running(service, together) as here, running(service, together) as there, AsyncExitStack() as stack:
        worlds = [here, there] * 12
        clients = [Client(await stack.enter_async_context(world.open_raw(""))) for world in worlds]
        # All handshakes are done; now they request a slot at the same time.
        await asyncio.gather(*(client.send(type="auth", token=token_for("ann")) for client in clients))
        assert sum(await asyncio.gather(*map(let_in, clients))) == 3


async def test_over_tls_it_is_the_same(service: DrivenService, together: Settings, tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls", ["127.0.0.1"])
    with redis_server(tls=tmp_path / "tls") as secured:
        how = together.model_copy(update={"redis_url": SecretStr(secured.url), "connections_per_user": 1})
        async with running(service, how) as here, running(service, how) as there, here.open("ann"):
            assert await refused(there)
            assert [sample(there, "whitebg_redis_away", use=use) for use in ("rates", "sockets")] == [0, 0]


async def test_while_redis_is_away_sockets_open_and_close_and_are_counted_here(
    service: DrivenService, together: Settings, redis: RedisServer
) -> None:
    async with running(service, together) as here, running(service, together) as there, AsyncExitStack() as stack:
        for world in (here, there, there):
            await stack.enter_async_context(world.open("ann"))
        redis.kill()
        await stack.enter_async_context(here.open("ann"))
        await stack.enter_async_context(here.open("ann"))
        assert await refused(here)
        assert sample(here, "whitebg_redis_away", use="sockets") == 1
        redis.start()
        for world in (here, there):
            await eventually(lambda world=world: sample(world, "whitebg_redis_away", use="sockets") == 0)  # type: ignore[misc]
        assert [await refused(world) for world in (here, there)] == [True, True]


@contextmanager
def gateway_process(service: DrivenService, redis: RedisServer) -> Iterator[tuple[Program, str]]:
    """Run a gateway as a separate process; yield it with its address."""
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "http_port": address.rpartition(":")[2],
        "grpc_target": service.target,
        "jwt_secret": SECRET,
        "redis_url": redis.url,
        "connections_per_minute": "0",
        "connections_per_address": "0",
        "connections_per_user": "3",
        "connection_lease": f"PT{LEASE}S",
    }
    process = Program([sys.executable, "-m", "ws_gateway"], settings)
    try:
        process.wait_for("listening on")
        yield process, address
    finally:
        process.close()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Client]:
    """Open one of Ann's sockets at a gateway."""
    url = f"ws://{address}/ws/notifications?token={token_for('ann')}"
    async with connect(url, compression=None, open_timeout=PATIENCE) as socket:
        yield Client(socket)


async def test_the_places_of_a_gateway_that_was_killed_are_free_again(
    service: DrivenService, redis: RedisServer
) -> None:
    with gateway_process(service, redis) as (doomed, one), gateway_process(service, redis) as (_, other):
        async with opened(one) as first, opened(one) as second, opened(other) as third:
            for client in (first, second, third):
                await client.settled()
            async with opened(other) as fourth:
                assert not await let_in(fourth)
            doomed.kill()
            assert [await client.close_code() for client in (first, second)] == [1006, 1006]
            async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
                found = 0
                while found < 2:
                    found += await let_in(await stack.enter_async_context(opened(other)))
                assert not await let_in(await stack.enter_async_context(opened(other)))
            await third.settled()
