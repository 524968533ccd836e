"""Webhooks that are to reach into the operator's network, sent by the real sender over real connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from generator_service.domain.webhook import Endpoint, Message, Secret, new_secret
from generator_service.webhooks.addresses import Network
from generator_service.webhooks.sender import NotDelivered, Sender
from tests.attack.internal_server import InternalServer
from tests.support.clock import NOON

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
async def internal() -> AsyncIterator[InternalServer]:
    async with InternalServer() as server:
        yield server


@asynccontextmanager
async def sending(allowed: Sequence[Network] = ()) -> AsyncIterator[Sender]:
    sender = Sender(allowed=allowed, allow_http=True)
    yield sender
    await sender.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let names have these addresses, one after the other and the last for good; return the names asked for."""
    asked: list[str] = []

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[tuple[Any, ...]]:
        address = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    return asked


async def attempt(sender: Sender, url: str) -> str:
    """Send a message; return why it was not delivered."""
    endpoint = Endpoint(endpoint_id="1", url=url, secrets=(Secret(new_secret()),), created_at=NOON)
    message = Message(message_id="1", user_id="eve", body=b"{}", revision=1, type="task.completed")
    with pytest.raises(NotDelivered) as refused:
        await sender.send(endpoint, message, NOON)
    return str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0"),
        *(
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::7f00:1]",
            "[2002:7f00:1::]",
        ),
    ],
)
async def test_this_machine_by_each_of_its_names(internal: InternalServer, host: str) -> None:
    """The URL names the service's own machine, in every notation: no connection is opened."""
    async with sending() as sender:
        assert "not a public address" in await attempt(sender, f"http://{host}:{internal.port}/")
    assert internal.connections == 0


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "10.0.0.1", "192.168.1.1", "fec0::1", "fe80::1"]
)
async def test_a_name_of_a_private_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A public name resolves to a metadata server or another private address: no connection is opened."""
    resolving(monkeypatch, address)
    async with sending() as sender:
        assert "not a public address" in await attempt(sender, "http://hooks.example.com/")


async def test_dns_rebinding(internal: InternalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name resolves to an allowed address at the check, then to an internal one: it is resolved only once."""
    asked = resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
    # Nothing listens at 127.0.0.2: a sender that asked again would reach the internal server.
    async with sending([ipaddress.ip_network("127.0.0.2/32")]) as sender:
        assert "can't be reached" in await attempt(sender, f"http://rebind.example.com:{internal.port}/")
    assert (asked, internal.connections) == (["rebind.example.com"], 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_into_the_network(internal: InternalServer, status: int) -> None:
    """The endpoint redirects to an internal server: redirects are not followed, and count as a failure."""
    async with (
        sending(LOOPBACK) as sender,
        InternalServer(status, location=f"http://127.0.0.1:{internal.port}/") as endpoint,
    ):
        assert f"status {status}" in await attempt(sender, f"http://127.0.0.1:{endpoint.port}/")
        assert endpoint.connections == 1
    assert internal.connections == 0
