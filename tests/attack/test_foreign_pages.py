"""Guest login over raw connections, with every request that another site's page can make a browser send."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.settings import Settings


async def raw(world: GatewayHarness, head: str) -> int:
    """Send the head of a request unchanged, with the port for ``PORT``; return the status of the response."""
    host, _, port = world.base.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        if "Upgrade" not in head:
            head += "\nContent-Length: 0\nConnection: close"
        writer.write(head.replace("PORT", port).replace("\n", "\r\n").encode() + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            status = (await reader.readline()).split()[1]
            await reader.read()
        return int(status)
    finally:
        writer.close()
        await writer.wait_closed()


LOGIN = "POST /api/v2/guest-token HTTP/1.1"
OWN = "Host: 127.0.0.1:PORT"


@pytest.mark.parametrize(
    "head",
    [
        f"{LOGIN}\n{OWN}",
        f"{LOGIN}\nHost: localhost:PORT\nOrigin: http://localhost:PORT\nSec-Fetch-Site: same-origin",
        f"{LOGIN}\nHost: [::1]:PORT",
    ],
)
async def test_a_guest_at_this_machine_logs_in(world: GatewayHarness, head: str) -> None:
    assert await raw(world, head) == 200


@pytest.mark.parametrize(
    "head",
    [
        f"{LOGIN}\nHost: a{{b}}.evil.test:PORT",
        f"{LOGIN}\nHost: a{{b}}.evil.test:PORT\nOrigin: http://a{{b}}.evil.test:PORT\nSec-Fetch-Site: same-origin",
        f"{LOGIN}\nHost: evil.test",
        f"{LOGIN}\nHost: localhost.evil.test",
        f"{LOGIN}\nHost: 127.0.0.1:PORT@evil.test",
        f"{LOGIN}\nHost: ",
        f"{LOGIN}\nHost: evil.test\nHost: 127.0.0.1:PORT",
        f"{LOGIN}\nHost: 127.0.0.1:PORT\nHost: evil.test",
        f"{LOGIN}\nHost: 127.0.0.1:PORT\nHost: 127.0.0.1:PORT",
        f"POST http://evil.test/api/v2/guest-token HTTP/1.1\n{OWN}",
        f"POST http://a{{b}}.evil.test/api/v2/guest-token HTTP/1.1\n{OWN}",
        f"POST http://127.0.0.1:PORT@evil.test/api/v2/guest-token HTTP/1.1\n{OWN}",
        "POST /api/v2/guest-token HTTP/1.0\nX-Nothing: 1",
        f"{LOGIN}\n{OWN}\nOrigin: http://evil.test",
        f"{LOGIN}\n{OWN}\nOrigin: http://127.0.0.1:1",
        f"{LOGIN}\n{OWN}\nOrigin: null",
        f"{LOGIN}\n{OWN}\nOrigin: http://[",
        f"{LOGIN}\n{OWN}\nSec-Fetch-Site: cross-site",
        f"{LOGIN}\n{OWN}\nOrigin: http://127.0.0.1:PORT\nOrigin: http://evil.test",
    ],
)
async def test_a_page_of_another_site_does_not(world: GatewayHarness, head: str) -> None:
    assert await raw(world, head) in {400, 403, 404}


async def test_guests_share_one_address_of_this_machine(world: GatewayHarness) -> None:
    async def location(**headers: str) -> str | None:
        answer = await world.http.get("/", headers=headers, follow_redirects=False)
        assert answer.status_code == (307 if "location" in answer.headers else 200)
        target: str | None = answer.headers.get("location")
        return target

    port = world.base.partition(":")[2]
    for name in ("localhost", "LOCALHOST", "[::1]", "127.0.0.2"):
        assert await location(Host=f"{name}:{port}") == f"http://127.0.0.1:{port}/"
    assert await location(Host=f"127.0.0.1:{port}") is None
    assert await location(Host=f"evil.test:{port}") is None
    assert await location(Host=f"localhost:{port}", **{"X-Forwarded-For": "192.0.2.1"}) is None


async def test_a_configured_name_logs_in(service: DrivenService, settings: Settings) -> None:
    async with running(service, settings.model_copy(update={"guest_hosts": ("studio.lan",)})) as world:
        assert await raw(world, f"{LOGIN}\nHost: studio.lan:PORT") == 200
        assert await raw(world, f"{LOGIN}\nHost: other.lan:PORT") == 404


@pytest.mark.parametrize("path", ["/api/v2/ws-token", "/api/v2/tasks/1/cancel", "/api/messages/sync"])
async def test_a_foreign_page_changes_nothing_with_a_good_token(world: GatewayHarness, path: str) -> None:
    for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await world.http.post(path, headers=world.headers() | headers, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")


async def test_an_allowed_origin_does(service: DrivenService, settings: Settings) -> None:
    async with running(service, settings.model_copy(update={"allowed_origins": ("https://app.example",)})) as world:
        headers = world.headers() | {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
        answer = await world.http.post("/api/v2/ws-token", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


async def test_a_malformed_origin_is_rejected_at_the_handshake(world: GatewayHarness) -> None:
    head = f"GET /ws/notifications HTTP/1.1\n{OWN}\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13"
    assert await raw(world, f"{head}\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nOrigin: http://[") == 403
