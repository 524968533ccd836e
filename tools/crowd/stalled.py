"""One gateway with thousands of sockets: the delay of the healthy ones, with and without some that do not read."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from tests.support.api import long_token
from tests.support.processes import ServiceProcess
from tools.benchmarks.cpu import cpu_seconds, resident_kib
from tools.benchmarks.sockets import addresses, connected, driven_service, gateway, no_collections, running
from tools.crowd.metric import metric
from tools.crowd.storm import open_files

PACE = 60.0
"""Changes a second, over all busy users."""
STALLED_PACE = 6.0
"""Further changes a second for each user whose socket stalls, so that unread data piles up."""
PADDING = 700
"""Characters by which these changes' messages are longer, so that a minute of them exceeds a gateway's patience."""
STALL_S = (45.0, 55.0)
"""After such a time a stalled client connects again, as one on a bad line does, and stalls again."""
TICKS = 0.05
DROPPED = ("whitebg_ws_closes_total", {"code": "4101"})
"""How many clients the gateway has given up for reading too slowly."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What the healthy sockets saw, while so many others stalled."""

    stalled: int
    delays_ms: list[float]
    missing: int
    """Messages that a healthy socket should have got and did not."""
    dropped: int
    """Stalled clients that the gateway gave up."""
    kib_each: float
    gateway_cores: float
    service_cores: float

    @property
    def frames(self) -> int:
        """Messages whose delay was measured."""
        return len(self.delays_ms)

    @property
    def p50_ms(self) -> float:
        """The median delay."""
        return statistics.median(self.delays_ms)

    @property
    def p99_ms(self) -> float:
        """The delay that one in a hundred exceeds."""
        return statistics.quantiles(self.delays_ms, n=100)[98]


@dataclass
class Readers:
    """Reads the healthy sockets, and measures the delay of creations."""

    delays_ms: list[float] = field(default_factory=list)
    events: int = 0

    async def read(self, connection: ClientConnection) -> None:
        """Read on and on; fail if the socket is closed."""
        async for text in connection:
            now = time.time()
            data = json.loads(text).get("data")
            if data is None or "seq" not in data:
                continue
            self.events += 1
            if data["status"] == "pending":
                self.delays_ms.append(now * 1e3 - int(data["filename"].split()[0]) / 1e3)
        raise RuntimeError("a healthy socket was closed")


async def compare(folder: Path, *, idle: int, busy: int, seconds: float) -> list[Round]:
    """Measure four rounds on one gateway, with and without 1 % of the busy sockets stalled, in turn."""
    few = busy // 100
    with open_files(2 * (idle + busy)), driven_service(folder) as service, gateway(service) as (process, url):
        before = resident_kib(process.pid)
        async with AsyncExitStack() as stack:
            everyone = addresses(url, idle + busy)
            # The users with changes come first; the first of them are those whose sockets stall.
            healthy = await connected(stack, everyone[few:busy], _answered)
            await connected(stack, everyone[busy:], _answered)
            address = url.split("/")[2]
            while await metric(address, "whitebg_ws_connections_open") < idle + busy - few:  # noqa: ASYNC110 (its metric)
                await asyncio.sleep(TICKS)
            kib_each = (resident_kib(process.pid) - before) / (idle + busy - few)
            loads = f"{seconds} {PACE} {busy} 0 {STALLED_PACE * few} {few} {PADDING}"
            rounds = []
            for number, stalls in enumerate((False, True, False, True), start=1):
                one = _stall if stalls else _drain
                async with running(one(f"{url}?token={long_token(f'user-{each}')}") for each in range(few)):
                    dropped = await metric(address, *DROPPED)
                    cpu, began = (cpu_seconds(process.pid), cpu_seconds(service.pid)), time.perf_counter()
                    service.send_line(loads)
                    with no_collections():
                        readers, missing = await _read_all(service, number, healthy, few, seconds)
                    took = time.perf_counter() - began
                    rounds.append(
                        Round(
                            stalled=few if stalls else 0,
                            delays_ms=readers.delays_ms,
                            missing=missing,
                            dropped=await metric(address, *DROPPED) - dropped,
                            kib_each=kib_each,
                            gateway_cores=(cpu_seconds(process.pid) - cpu[0]) / took,
                            service_cores=(cpu_seconds(service.pid) - cpu[1]) / took,
                        )
                    )
            return rounds


async def _read_all(
    service: ServiceProcess, number: int, healthy: list[ClientConnection], few: int, seconds: float
) -> tuple[Readers, int]:
    """Read the healthy sockets until all changes have arrived; return also how many did not, within a minute."""
    readers = Readers()
    async with running(map(readers.read, healthy)):
        line = await asyncio.to_thread(service.wait_for, f"driven {number}:", within=seconds + 120)
        # Its users take turns, those that may stall first; a task is two changes.
        turns, rest = divmod(int(line.split()[2]), few + len(healthy))
        expected = 2 * (turns * len(healthy) + max(0, rest - few))
        deadline = time.perf_counter() + 60
        while readers.events < expected and time.perf_counter() < deadline:  # noqa: ASYNC110 (a signal a frame costs)
            await asyncio.sleep(TICKS)
    return readers, expected - readers.events


async def _answered(connection: ClientConnection) -> None:
    """Return once the gateway has answered; a ping of the protocol would oblige the client to send more of them."""
    await (await connection.ping())


async def _drain(url: str) -> None:
    async with connect(url, compression=None, ping_interval=None, open_timeout=60) as connection:
        async for _ in connection:
            pass


async def _stall(url: str) -> None:
    """Connect and read nothing, again and again."""
    host, port = url.split("/")[2].split(":")
    while True:
        line = socket.socket()
        # The operating system would otherwise take megabytes for a client that does not read.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, (host, int(port)))
        connection = await connect(url, sock=line, compression=None, ping_interval=None, max_queue=1, open_timeout=60)
        # This is the stall, whose effect on the others is measured.
        await asyncio.sleep(random.uniform(*STALL_S))
        connection.transport.abort()
