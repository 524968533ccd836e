"""Sessions that are ended at one gateway end at all of them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from tests.integration.gateway.conftest import running
from tests.integration.gateway.test_metrics import eventually, sample
from tests.integration.gateway.world import Client, World, token_for
from tests.support.driven_service import DrivenService
from tests.support.redis import RedisServer
from ws_gateway.settings import Settings


@pytest.fixture
def together(settings: Settings, redis: RedisServer) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(redis.url)})


async def revoke(world: World, **which: str) -> httpx.Response:
    return await world.http.post("/admin/sessions/revoke", json=which, headers=world.headers("root", scope="admin"))


async def status(world: World, token: str) -> int:
    answer = await world.http.get("/api/generation/tasks", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def test_revoked_at_one_closed_and_refused_at_all(service: DrivenService, together: Settings) -> None:
    old = token_for("ann", iat=datetime.now(UTC) - timedelta(seconds=5))
    async with running(service, together) as here, running(service, together) as there:
        async with here.open("ann") as one, there.open("ann") as two, there.open("bob") as bob:
            began = time.monotonic()
            answer = await revoke(here, user_id="ann")
            assert (answer.status_code, answer.json()["closed"]) == (200, 1)
            assert [*await asyncio.gather(one.close_code(), two.close_code())] == [4001, 4001]
            assert time.monotonic() - began < 1.0
            await bob.settled()
        async with running(service, together) as later:
            for world in (here, there, later):
                assert await status(world, old) == 401
                async with world.open_raw(f"?token={old}") as socket:
                    assert await Client(socket).close_code() == 4001
                assert await status(world, token_for("ann", iat=datetime.now(UTC) + timedelta(seconds=1))) == 200


async def test_while_redis_is_away_an_admin_is_told_that_others_do_not_know(
    service: DrivenService, together: Settings, redis: RedisServer
) -> None:
    token = token_for("ann", jti="s1")
    async with running(service, together) as here, running(service, together) as there:
        async with here.open_raw(f"?token={token}") as one, there.open_raw(f"?token={token}") as two:
            for socket in (one, two):
                await Client(socket).settled()
            redis.kill()
            answer = await revoke(here, token_id="s1")
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "revocation_not_shared"
            assert "1 sockets closed" in answer.json()["error"]["message"]
            assert "Retry-After" in answer.headers
            assert await Client(one).close_code() == 4001
            await Client(two).settled()
            assert [await status(world, token) for world in (here, there)] == [401, 200]
            await eventually(lambda: sample(there, "whitebg_redis_away", use="revocations") == 1)

            redis.start()
            assert await Client(two).close_code() == 4001
            assert await status(there, token) == 401
        await eventually(lambda: sample(there, "whitebg_redis_away", use="revocations") == 0)
        assert (await revoke(here, token_id="s1")).status_code == 200


async def test_a_gateway_that_starts_without_redis_lets_nobody_in_until_it_is_there(
    service: DrivenService, together: Settings, redis: RedisServer
) -> None:
    token = token_for("ann")
    redis.kill()
    async with running(service, together) as world:
        ready = await world.http.get("/readyz")
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "revocations_unknown")
        assert await status(world, token) == 503
        guest = await world.http.post("/api/guest-token", headers={"Authorization": f"Bearer {token}"})
        assert guest.status_code == 503
        async with world.open_raw(f"?token={token}") as socket:
            assert await Client(socket).close_code() == 4200, "to come back soon, with the same token"
        redis.start()
        await eventually(lambda: world.server.gateway.revocations.known)
        assert (await world.http.get("/readyz")).status_code == 200
        assert await status(world, token) == 200
