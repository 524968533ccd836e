"""How often, and how many: refusals that say when to come back."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from ipaddress import ip_network
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import Client, World, token_for
from tests.support.driven_service import PICTURE, DrivenService
from ws_gateway.settings import Settings


def limited(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


async def outcome(world: World, **headers: str) -> int | None:
    """Connect; return how the gateway closed the socket, None if it let it in."""
    async with world.open_raw(f"?token={token_for('ann')}&since=dead:0", additional_headers=headers) as socket:
        with suppress(ConnectionClosed):
            # Refused at once, or else for this.
            await socket.send('{"type":"shout"}')
        await socket.wait_closed()
        return None if socket.close_code == 4004 else socket.close_code


async def test_connections_a_minute_from_one_address(service: DrivenService, settings: Settings) -> None:
    async with running(service, limited(settings, connections_per_minute=3)) as world:
        assert [await outcome(world) for _ in range(4)] == [None, None, None, 4103]
        async with world.open_raw(f"?token={token_for('ann')}") as socket:
            await socket.wait_closed()
            assert "try again in" in (socket.close_reason or "")
        # A header that nobody asked a proxy for is worth nothing.
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.9"}) == 4103


async def test_behind_a_known_proxy_each_client_counts_for_itself(service: DrivenService, settings: Settings) -> None:
    proxies = (ip_network("127.0.0.0/8"),)
    async with running(service, limited(settings, connections_per_minute=1, trusted_proxies=proxies)) as world:
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.9"}) is None
        assert await outcome(world, **{"X-Forwarded-For": "203.0.113.10"}) is None
        assert await outcome(world, **{"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}) == 4103


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
            answer = await world.http.post("/api/v2/tasks/async", files=photo, headers=world.headers(user))
            return answer.status_code, "Retry-After" in answer.headers

        assert await upload("ann") == (202, False)
        assert await upload("ann") == (429, True)
        assert await upload("bob") == (202, False)
        again = await world.http.post("/api/v2/tasks/1/retry", headers=world.headers("ann"))
        assert again.status_code == 429
