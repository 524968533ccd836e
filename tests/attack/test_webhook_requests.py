"""Webhooks that are to reach into the operator's network, sent by the real sender over real connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from generator_service.blobs.local import LocalBlobStore
from generator_service.domain.webhook import Endpoint, Message, Secret, new_secret
from generator_service.webhooks.addresses import Network
from generator_service.webhooks.deliverer import AT_ONCE
from generator_service.webhooks.sender import NotDelivered, Sender
from tests.attack.internal_server import InternalServer
from tests.support.clock import NOON
from tests.support.patience import PATIENCE, eventually

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

    def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        address = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def send(sender: Sender, url: str) -> None:
    endpoint = Endpoint(endpoint_id="1", url=url, secrets=(Secret(new_secret()),), created_at=NOON)
    message = Message(message_id="1", user_id="eve", body=b"{}", revision=1, type="task.completed")
    await sender.send(endpoint, message, NOON)


async def attempt(sender: Sender, url: str) -> str:
    """Send a message; return why it was not delivered."""
    with pytest.raises(NotDelivered) as refused:
        await send(sender, url)
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


class RawServer:
    """Answers each message on a connection with the same bytes, and leaves the connection open unless it ``closes``."""

    def __init__(self, reply: bytes, *, closes: bool = False) -> None:
        self._reply = reply
        self._closes = closes
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b"{}"))
                writer.write(self._reply)
                await writer.drain()
                if self._closes:
                    break
        except ConnectionError:
            pass  # The sender has closed it, as some of the tests expect.
        finally:
            writer.close()


@asynccontextmanager
async def answering(reply: bytes, *, closes: bool = False) -> AsyncIterator[RawServer]:
    raw = RawServer(reply, closes=closes)
    async with await asyncio.start_server(raw.serve, "127.0.0.1", 0) as server:
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield raw


MALFORMED = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\r\n\r\n",
    "a short status": b"HTTP/1.1 20 OK\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "an unknown encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,
    "a long header": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 1_000_000,
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
}


@pytest.mark.parametrize("reply", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_response_is_a_failure(reply: bytes) -> None:
    """The endpoint answers with anything but HTTP: an attempt that failed, with a reason that any database stores."""
    async with answering(reply, closes=True) as endpoint, sending(LOOPBACK) as sender:
        reason = await attempt(sender, endpoint.url)
    assert "can't be reached" in reason
    assert reason.isprintable()


BODIES = {
    "none": (b"204 No Content\r\n\r\n", 1),
    "empty": (b"200 OK\r\nContent-Length: 0\r\n\r\n", 1),
    "short": (b"200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
    "chunked": (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
    "an early hint": (b"103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1),
    "a bomb": (b"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", 1),
    "without an end": (b"200 OK\r\n\r\n", 3),
    "long": (b"200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, 3),
    "unfinished": (b"200 OK\r\nContent-Length: 9\r\n\r\nok", 3),
    "malformed": (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", 3),
}


@pytest.mark.parametrize(("reply", "connections"), BODIES.values(), ids=BODIES)
async def test_the_status_accepts_a_message_whatever_the_body(reply: bytes, connections: int) -> None:
    """The body is endless, compressed or broken: the message is delivered; the next one reuses a clean connection."""
    async with answering(b"HTTP/1.1 " + reply) as endpoint, sending(LOOPBACK) as sender:
        for _ in range(3):
            await send(sender, endpoint.url)
        assert endpoint.connections == connections


async def test_a_silent_name_server_holds_up_no_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names of many endpoints are not resolved for minutes: images are stored and read meanwhile."""
    silent = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        assert silent.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    images = LocalBlobStore(tmp_path)
    async with sending() as sender:
        attempts = [asyncio.create_task(attempt(sender, f"http://hook{n}.example.com/")) for n in range(AT_ONCE)]
        try:
            await eventually(lambda: len(asked) == AT_ONCE)
            async with asyncio.timeout(PATIENCE):
                await images.put("inputs/1", b"photo", content_type="image/png")
                assert await images.get("inputs/1") == b"photo"
        finally:
            silent.set()
        assert all("can't be resolved" in each for each in await asyncio.gather(*attempts))
