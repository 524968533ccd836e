"""A thousand clients lose their gateway at once and move to another: all in sync, without one database read each."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.typing import Subprotocol

from tests.support.api import SECRET, Api, open_channel, token
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.processes import Program, free_port, service_process

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CLIENTS = 1000
USERS = 100
WITHIN = 240.0
"""Maximum duration of any part of the storm, in seconds."""
GOING_AWAY = 4200


@dataclass
class Client:
    """Keeps its cursor, waits for the announced delay, and then backs off with full jitter until it is accepted."""

    user: str
    token: str
    cursor: str
    socket: ClientConnection | None = None
    retry_after_ms: int | None = None
    seqs: list[int] = field(default_factory=list)
    attempts: int = 0

    async def join(self, port: int) -> None:
        """Connect, and receive the missed messages."""
        url = f"ws://127.0.0.1:{port}/ws/notifications?token={self.token}&since={self.cursor}"
        delay = 0.5
        while True:
            self.attempts += 1
            try:
                self.socket = await connect(
                    url,
                    subprotocols=[Subprotocol("whitebg.v2")],
                    compression=None,
                    open_timeout=PATIENCE,
                    ping_interval=None,
                )
                await self._until("sync_end")
            except (OSError, TimeoutError, InvalidMessage, ConnectionClosed):
                await asyncio.sleep(random.uniform(0, delay))
                delay = min(10.0, 2 * delay)
            else:
                return

    async def return_to(self, port: int) -> None:
        """Wait for the delay announced by the old gateway, then join."""
        assert self.retry_after_ms is not None
        await asyncio.sleep(self.retry_after_ms / 1000)
        await self.join(port)

    async def see_off(self) -> int | None:
        """Read until the gateway closes; return the close code."""
        assert self.socket is not None
        self.retry_after_ms = (await self._until("going_away"))["retry_after_ms"]
        await self.socket.wait_closed()
        return self.socket.close_code

    async def leave(self) -> None:
        assert self.socket is not None
        await self.socket.close()

    async def _until(self, kind: str) -> dict[str, Any]:
        assert self.socket is not None
        while True:
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
            if "seq" in message.get("data", {}):
                self.seqs.append(message["data"]["seq"])
            self.cursor = message.get("id") or message.get("head") or self.cursor
            if message["type"] == kind:
                return message


@contextmanager
def gateway(grpc_target: str, port: int) -> Iterator[Program]:
    """Run a gateway while the block runs."""
    settings = {
        "http_port": str(port),
        "grpc_target": grpc_target,
        "jwt_secret": SECRET,
        # All clients have the same address here, and a user of the test has many windows open.
        "connections_per_minute": "0",
        "connections_per_address": "0",
        "connections_per_user": "0",
        "drain_timeout": "PT60S",
    }
    process = Program([sys.executable, "-m", "ws_gateway"], settings)
    try:
        process.wait_for("listening on")
        yield process
    finally:
        process.close()


async def counter(url: str, name: str) -> dict[str, float]:
    """Return a counter of a process by its label."""
    async with http_client() as http:
        # The gateway requires an administrator; the service's port does not.
        headers = {"Authorization": f"Bearer {token('root', scope='admin')}"}
        text = (await http.get(f"{url}/metrics", headers=headers, timeout=30)).text
    return {label: float(value) for label, value in re.findall(rf'^{name}\{{\w+="(\w+)"\}} (\S+)$', text, re.MULTILINE)}


async def submit_for_all(target: str, users: list[str]) -> None:
    async with open_channel(target) as channel:
        for user in users:
            await Api(channel, user, token(user)).submit()


async def epoch_of(target: str, user: str) -> str:
    async with open_channel(target) as channel:
        return (await Api(channel, user, token(user)).events()).head.partition(":")[0]


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Raise this process's file limit to one socket per client."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 4 * CLIENTS), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_all_return_in_sync(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(USERS)]
    port, metrics_port = free_port(), free_port()
    with service_process(tmp_path, SECRET, worker_slots="0", metrics_port=str(metrics_port)) as service:
        await submit_for_all(service.target, users)
        epoch = await epoch_of(service.target, users[0])
        tokens = {user: token(user) for user in users}
        clients = [Client(user, tokens[user], f"{epoch}:0") for _ in range(CLIENTS // USERS) for user in users]
        async with asyncio.timeout(WITHIN):
            with gateway(service.target, port) as first:
                began = perf_counter()
                # These first connections are not spread by a gateway; a hundred at a time resembles page loads.
                for start in range(0, CLIENTS, 100):
                    await asyncio.gather(*(client.join(port) for client in clients[start : start + 100]))
                joined = perf_counter() - began
                first.terminate()
                codes = await asyncio.gather(*(client.see_off() for client in clients))
                assert set(codes) == {GOING_AWAY}
                first.wait(60)
        delays = sorted(client.retry_after_ms or 0 for client in clients)
        assert delays[0] >= 200
        assert delays[-1] - delays[0] > CLIENTS, "the more clients, the wider they are to be spread"
        assert len(set(delays)) > CLIENTS // 4, "all would come back at once"
        await submit_for_all(service.target, users)
        before = await counter(f"http://127.0.0.1:{metrics_port}", "whitebg_replays_total")
        for client in clients:
            client.seqs.clear()
            client.attempts = 0
        async with asyncio.timeout(WITHIN):
            with gateway(service.target, port) as second:
                began = perf_counter()
                await asyncio.gather(*(client.return_to(port) for client in clients))
                returned = perf_counter() - began
                after = await counter(f"http://127.0.0.1:{metrics_port}", "whitebg_replays_total")
                syncs = await counter(f"http://127.0.0.1:{port}", "whitebg_ws_handshakes_total")
                await asyncio.gather(*(client.leave() for client in clients))
                second.terminate()
                second.wait(60)
    assert all(client.seqs == [2] for client in clients), "everyone missed one event, and got it once"
    # The gateway's own stream begins with one read; clients never cause one.
    assert after["database"] - before["database"] <= 1
    print(
        f"{CLIENTS} clients: joined in {joined:.1f} s; told to wait {delays[0]}-{delays[-1]} ms; "
        f"all in sync {returned:.1f} s after the return of the gateway, with "
        f"{sum(client.attempts for client in clients) / CLIENTS:.2f} attempts each; {syncs}, {before} -> {after}"
    )
