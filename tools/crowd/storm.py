"""All clients of a gateway lose it at once and move to another: how soon all are in sync, and by how many reads."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.typing import Subprotocol

from tests.support.api import SECRET, Api, open_channel, token
from tests.support.patience import PATIENCE
from tests.support.processes import free_port, service_process
from tools.benchmarks.sockets import gateway
from tools.crowd.metric import metric

USERS = 100
WITHIN = 240.0
"""Maximum duration of any part of the storm, in seconds."""
JOINING = 100
"""First connections made at once: they are not spread by a gateway, and resemble page loads."""


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

    async def join(self, gateway: str) -> None:
        """Connect, and receive the missed messages."""
        url = f"{gateway}?token={self.token}&since={self.cursor}"
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

    async def return_to(self, gateway: str) -> None:
        """Wait for the delay announced by the old gateway, then join."""
        assert self.retry_after_ms is not None
        await asyncio.sleep(self.retry_after_ms / 1000)
        await self.join(gateway)

    async def see_off(self) -> int | None:
        """Read until the gateway closes; return the close code."""
        assert self.socket is not None
        self.retry_after_ms = (await self._until("going_away"))["retry_after_ms"]
        await self.socket.wait_closed()
        return self.socket.close_code

    async def leave(self) -> None:
        """Disconnect."""
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


@dataclass(frozen=True)
class Storm:
    """The course of one storm."""

    clients: list[Client]
    close_codes: set[int | None]
    joined_s: float
    """How long the first connections took."""
    returned_s: float
    """From the return of the gateway until the last client was in sync."""
    reads: dict[str, int]
    """Histories that the service sent meanwhile, by where they came from."""

    @property
    def delays_ms(self) -> list[int]:
        """The announced delays, the shortest first."""
        return sorted(client.retry_after_ms or 0 for client in self.clients)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Let this process have so many files open, as far as the system allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(before[1], count)), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


CLIENTS_OF_ONE_ADDRESS = {"connections_per_user": "0", "drain_timeout": "PT60S"}
"""Settings of a gateway whose users have many windows open, all of which it sends elsewhere."""


async def storm(folder: Path, count: int) -> Storm:
    """Let so many clients of `USERS` users lose their gateway, miss an event of each user, and return to another."""
    users = [f"user{number}" for number in range(USERS)]
    metrics_port = free_port()

    async def reads() -> dict[str, int]:
        name, address = "whitebg_replays_total", f"127.0.0.1:{metrics_port}"
        return {source: await metric(address, name, {"source": source}) for source in ("memory", "database")}

    with (
        open_files(4 * count),
        service_process(folder, SECRET, worker_slots="0", metrics_port=str(metrics_port)) as service,
    ):
        await _submit_for_all(service.target, users)
        epoch = await _epoch_of(service.target, users[0])
        tokens = {user: token(user) for user in users}
        clients = [Client(user, tokens[user], f"{epoch}:0") for _ in range(count // USERS) for user in users]
        async with asyncio.timeout(WITHIN):
            with gateway(service, **CLIENTS_OF_ONE_ADDRESS) as (first, url):
                began = perf_counter()
                for start in range(0, count, JOINING):
                    await asyncio.gather(*(client.join(url) for client in clients[start : start + JOINING]))
                joined = perf_counter() - began
                first.terminate()
                codes = await asyncio.gather(*(client.see_off() for client in clients))
                first.wait(60)
        await _submit_for_all(service.target, users)
        before = await reads()
        for client in clients:
            client.seqs.clear()
            client.attempts = 0
        async with asyncio.timeout(WITHIN):
            with gateway(service, **CLIENTS_OF_ONE_ADDRESS) as (second, url):
                began = perf_counter()
                await asyncio.gather(*(client.return_to(url) for client in clients))
                returned = perf_counter() - began
                after = await reads()
                await asyncio.gather(*(client.leave() for client in clients))
                second.terminate()
                second.wait(60)
    return Storm(clients, set(codes), joined, returned, {source: after[source] - before[source] for source in after})


async def _submit_for_all(target: str, users: list[str]) -> None:
    async with open_channel(target) as channel:
        for user in users:
            await Api(channel, user, token(user)).submit()


async def _epoch_of(target: str, user: str) -> str:
    async with open_channel(target) as channel:
        return (await Api(channel, user, token(user)).events()).head.partition(":")[0]
