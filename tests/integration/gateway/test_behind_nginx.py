"""A gateway behind real nginx with the configuration of deploy/: pages keep their origin, and clients their address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness, token_for
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.http import http_client
from tests.support.nginx import nginx_configuration, nginx_program
from tests.support.processes import Program, free_port
from tools.certificates import make_certificates
from ws_gateway.settings import Settings

PROXY, CLIENT = "127.0.0.1", "127.0.0.2"
"""Addresses of this machine from which connections come: that of a trusted proxy, and one that is none."""


@contextmanager
def nginx(folder: Path, gateway: str) -> Iterator[str]:
    """Run nginx in front of one gateway; yield its address."""
    make_certificates(folder / "tls", ["nginx"])
    port = free_port()
    values = {"NGINX_DIR": str(folder), "TLS_DIR": str(folder / "tls")}
    values |= {"HTTP_PORT": f"127.0.0.1:{port}", "GRPC_PORT": f"127.0.0.1:{free_port()}"}
    values |= {"GATEWAYS": f"server {gateway};", "SERVICES": "server 127.0.0.1:9;"}
    (folder / "nginx.conf").write_text(nginx_configuration(values))
    options = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    process = Program([nginx_program(), *options, "-g", "daemon off;"], {})
    try:
        # It prints nothing when it listens.
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
            assert http.get(f"http://127.0.0.1:{port}/docs").status_code == 404
        yield f"127.0.0.1:{port}"
    finally:
        process.close()


async def test_the_page_s_own_requests_are_accepted(world: GatewayHarness, settings: Settings, tmp_path: Path) -> None:
    with nginx(tmp_path, world.base) as address:
        own, foreign = f"http://{address}", "https://shop.example"
        async with http_client(own) as http:
            for origin, status in ((own, 202), (own.replace("http:", "https:"), 202), (foreign, 403)):
                files, headers = {"file": ("shoe.png", PICTURE)}, world.headers() | {"Origin": origin}
                answer = await http.post("/api/v2/tasks", files=files, headers=headers)
                assert answer.status_code == status, answer.text
        world.base = address
        async with world.open_raw(f"?token={token_for('ann')}&since=dead:0", origin=own) as socket:
            assert await socket.recv()


async def test_clients_are_counted_by_the_address_that_trusted_proxies_pass_on(
    service: DrivenService, settings: Settings, tmp_path: Path
) -> None:
    changes = {"connections_per_address": 1, "trusted_proxies": (ip_network(f"{PROXY}/32"),)}
    async with running(service, settings.model_copy(update=changes)) as world:
        with nginx(tmp_path, world.base) as address:
            world.base = address

            async def rejected(source: str, forwarded: str) -> bool:
                query, headers = f"?token={token_for('ann')}&since=dead:0", {"X-Forwarded-For": forwarded}
                async with world.open_raw(query, local_addr=(source, 0), additional_headers=headers) as socket:
                    with suppress(ConnectionClosed):
                        # Closed at once, or else for this message.
                        await socket.send('{"type":"shout"}')
                    await socket.wait_closed()
                    return socket.close_code == 4103

            assert not await rejected(PROXY, "203.0.113.9")
            assert not await rejected(PROXY, "203.0.113.10")
            assert await rejected(PROXY, "198.51.100.1, 203.0.113.9")
            assert not await rejected(CLIENT, "203.0.113.11")
            assert await rejected(CLIENT, "203.0.113.12"), "the client made this one up"
