"""Limits that several gateways count together in a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from tests.integration.gateway.conftest import running
from tests.integration.gateway.test_limits import outcome
from tests.integration.gateway.test_metrics import sample
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from tests.support.redis import RedisServer
from ws_gateway.settings import Settings


@pytest.fixture
def together(settings: Settings, redis: RedisServer) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(redis.url), "connections_per_minute": 2})


async def test_gateways_count_together(service: DrivenService, together: Settings) -> None:
    async with running(service, together) as one, running(service, together) as other:
        assert [await outcome(world) for world in (one, other, one, other)] == [None, None, 4103, 4103]


async def test_a_storm_gets_no_more_in_and_is_no_outage(service: DrivenService, together: Settings) -> None:
    changes = {"uploads_per_minute": 10}
    async with running(service, together.model_copy(update=changes)) as world:
        limit = world.server.gateway.limits.uploads
        waits = await asyncio.gather(*(limit.hit("ann") for _ in range(400)))
        assert waits.count(None) == 10
        assert sample(world, "whitebg_redis_away", use="rates") == 0


async def test_while_redis_is_away_nobody_is_held_back(
    service: DrivenService, together: Settings, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(service, together) as world:
        assert [await outcome(world) for _ in range(3)] == [None, None, 4103]
        redis.kill()
        assert [await outcome(world) for _ in range(3)] == [None] * 3
        assert caplog.text.count("no limit applies") == 1
        assert sample(world, "whitebg_redis_away", use="rates") == 1
        redis.start()
        assert [await outcome(world) for _ in range(3)] == [None, None, 4103]
        assert sample(world, "whitebg_redis_away", use="rates") == 0


async def test_a_redis_that_never_answers_holds_nobody_up(
    service: DrivenService, together: Settings, redis: RedisServer
) -> None:
    async with running(service, together) as world, asyncio.timeout(PATIENCE):
        redis.freeze()
        assert [await outcome(world) for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize("reply", [b"+OK\r\n", b"+\xff\xfe\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_that_is_no_redis_holds_nobody_up(
    service: DrivenService, settings: Settings, reply: bytes
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    how = settings.model_copy(update={"redis_url": SecretStr(url), "connections_per_minute": 2})
    async with server, running(service, how) as world, asyncio.timeout(PATIENCE):
        assert [await outcome(world) for _ in range(3)] == [None] * 3
        assert sample(world, "whitebg_redis_away", use="rates") == 1
