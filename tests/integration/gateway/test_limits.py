"""Rate and connection limits: errors contain the time of the next attempt."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, GatewayHarness, token_for
from tests.support.driven_service import PICTURE, DrivenService
from ws_gateway.settings import Settings


def limited(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


async def outcome(world: GatewayHarness, user: str = "ann", *, token: str | None = None, **headers: str) -> int | None:
    """Connect; return the code of the gateway's close, None if it accepted the connection."""
    query = f"?token={token or token_for(user)}&since=dead:0"
    async with world.open_raw(query, additional_headers=headers) as socket:
        with suppress(ConnectionClosed):
            # Closed at once, or else for this message.
            await socket.send('{"type":"shout"}')
        await socket.wait_closed()
        return None if socket.close_code == 4004 else socket.close_code


async def reason(world: GatewayHarness, user: str) -> str:
    """Connect; return the reason of the close."""
    async with world.open_raw(f"?token={token_for(user)}") as socket:
        await socket.wait_closed()
        return socket.close_reason or ""


async def test_connections_a_minute_of_one_user(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, connections_per_minute=3)) as world:
        assert [await outcome(world) for _ in range(4)] == [None, None, None, 4103]
        assert re.search(r"of this user in a minute; try again in ([1-5]?\d|60) s$", await reason(world, "ann"))
        assert await outcome(world, "bob") is None, "others behind the same address are not held back"


async def test_connections_a_minute_from_one_address(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, connections_per_address=3)) as world:
        assert [await outcome(world, f"user-{n}") for n in range(4)] == [None, None, None, 4103]
        assert re.search(r"from this address in a minute; try again in ([1-5]?\d|60) s$", await reason(world, "ann"))
        # The header is ignored without a configured proxy.
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.9"}) == 4103


async def test_failed_handshakes_of_one_address(service: DrivenService, settings: Settings) -> None:
    expired = token_for("ann", exp=datetime(2020, 1, 1, tzinfo=UTC))
    async with running(service, limited(settings, failed_handshakes_per_minute=2)) as world:
        assert [await outcome(world, token=expired) for _ in range(3)] == [4010] * 3, "it was good once"
        assert [await outcome(world, f"user-{n}") for n in range(5)] == [None] * 5
        assert [await outcome(world, token="nonsense") for _ in range(3)] == [4001, 4001, 4103]
        assert "too many failed connections from this address; try again in " in await reason(world, "ann")


async def test_behind_a_known_proxy_each_client_counts_for_itself(service: DrivenService, settings: Settings) -> None:
    proxies = (ip_network("127.0.0.0/8"),)
    async with running(service, limited(settings, connections_per_address=1, trusted_proxies=proxies)) as world:
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.9"}) is None
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.10"}) is None
        assert await outcome(world, **{"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}) == 4103


_LIMITS = ("connections_per_minute", "connections_per_address", "failed_handshakes_per_minute", "connections_per_user")


@pytest.mark.parametrize("users", [[f"user-{n}" for n in range(200)], ["ann"] * 14], ids=["an office", "tabs"])
async def test_many_clients_behind_one_address_connect_at_once(
    service: DrivenService, settings: Settings, users: list[str]
) -> None:
    defaults = {name: Settings.model_fields[name].default for name in _LIMITS}
    async with running(service, limited(settings, **defaults)) as world, AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(world.open(user)) for user in users))
        assert len(world.server.gateway.connections) == len(users)


async def test_open_connections_of_one_user(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, connections_per_user=2)) as world, AsyncExitStack() as stack:
        first = await stack.enter_async_context(world.open("ann"))
        await stack.enter_async_context(world.open("ann"))
        await stack.enter_async_context(world.open("bob"))
        async with world.open_raw(f"?token={token_for('ann')}") as third:
            assert await Client(third).close_code() == 4103
        await first.socket.close()
        async with world.open("ann"):
            pass


async def test_status_polling(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, status_polls_per_minute=10)) as world:
        one, two = await world.service.submit("ann"), await world.service.submit("ann")
        path = f"/api/v2/tasks/{one.task_id}/status"
        answers = [await world.http.get(path, headers=world.headers()) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert answers[-1].json()["error"]["code"] == "rate_limited"
        other = await world.http.get(f"/api/v2/tasks/{two.task_id}/status", headers=world.headers())
        assert other.status_code == 200


async def test_uploads_of_one_user(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, uploads_per_minute=1)) as world:
        photo = {"file": ("cup.png", PICTURE, "image/png")}

        async def upload(user: str) -> tuple[int, bool]:
            answer = await world.http.post("/api/v2/tasks", files=photo, headers=world.headers(user))
            return answer.status_code, "Retry-After" in answer.headers

        assert await upload("ann") == (202, False)
        assert await upload("ann") == (429, True)
        assert await upload("bob") == (202, False)
        again = await world.http.post("/api/v2/tasks/1/retry", headers=world.headers("ann"))
        assert again.status_code == 429
