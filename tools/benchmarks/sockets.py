"""The gateway under load: memory of idle sockets, handshakes, and messages to many users; beside bare broadcasters.

Ours checks a token at each handshake and takes messages from the log of the service; the peers do neither.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from tests.support.api import SECRET, long_token
from tests.support.processes import Program, ServiceProcess, free_port, program
from tools.benchmarks.broadcasters import Broadcaster
from tools.benchmarks.cpu import cpu_seconds, resident_kib

PADDING = "x" * 400
"""Of a peer's message, which is then about as long as one of ours."""
WARM_SECONDS = 1.0
"""How long messages are sent before any is measured: the first have costs that later ones don't have."""
AT_ONCE = 50
"""Handshakes under way at once."""


@dataclass(frozen=True)
class Idle:
    """What sockets that do nothing cost their server."""

    sockets: int
    kib_each: float
    cpu_ms_each: float
    """Processor time of a handshake."""


@dataclass(frozen=True)
class Fanout:
    """What messages to many users cost, and how long they took."""

    per_second: float
    delays_ms: list[float]
    gateway_us: float
    """Processor time of the gateway, or of a peer, for each message."""
    service_us: float
    """Processor time of the service, store included, for each message."""


@contextmanager
def gateway(service: ServiceProcess, **settings: str) -> Iterator[tuple[Program, str]]:
    """Run a gateway; yield it and its WebSocket address."""
    port = free_port()
    required = {
        "http_port": str(port),
        "jwt_secret": SECRET,
        "grpc_target": service.target,
        "connections_per_minute": "0",
        "connections_per_address": "0",
        "failed_handshakes_per_minute": "0",
    }
    with program([sys.executable, "-m", "ws_gateway"], **required | settings) as process:
        process.wait_for("listening on http")
        yield process, f"ws://127.0.0.1:{port}/ws/notifications"


@contextmanager
def driven_service(data_dir: Path) -> Iterator[ServiceProcess]:
    """Run the service that makes changes on demand."""
    settings = {"worker_slots": "0", "pending_per_user": "100000", "log_level": "WARNING"}
    process = ServiceProcess(data_dir, SECRET, module="tools.benchmarks.driven", **settings)
    try:
        yield process
    finally:
        process.close()


async def connected(
    stack: AsyncExitStack, addresses: Iterable[str], greet: Callable[[ClientConnection], Awaitable[None]]
) -> list[ClientConnection]:
    """Open sockets to all addresses; return once each is served."""
    free = asyncio.Semaphore(AT_ONCE)

    async def open_one(address: str) -> ClientConnection:
        async with free:
            # Small limits: the memory that is measured is the server's, the client's only slows the machine down.
            socket = await stack.enter_async_context(
                connect(address, compression=None, ping_interval=None, max_queue=4, open_timeout=60)
            )
            await greet(socket)
            return socket

    return await asyncio.gather(*(open_one(address) for address in addresses))


async def ping(socket: ClientConnection) -> None:
    """Return once the gateway has answered a ping."""
    await socket.send('{"type":"ping"}')
    await socket.recv()


def addresses(url: str, users: int) -> list[str]:
    """Return the address of each user's socket at the gateway."""
    return [f"{url}?token={long_token(f'user-{number}')}" for number in range(users)]


async def idle(server: Program, addresses: Sequence[str], greet: Callable[[ClientConnection], Awaitable[None]]) -> Idle:
    """Open sockets and leave them alone."""
    async with AsyncExitStack() as stack:
        # The first sockets have costs that later ones don't have.
        await connected(stack, addresses[:20], greet)
        memory, cpu = resident_kib(server.pid), cpu_seconds(server.pid)
        await connected(stack, addresses, greet)
        took = cpu_seconds(server.pid) - cpu
        each = len(addresses)
        return Idle(each, (resident_kib(server.pid) - memory) / each, took / each * 1e3)


async def broadcast(peer: Broadcaster, *, users: int, per_second: float, seconds: float) -> Fanout:
    """Publish messages of the size of ours to so many users, one socket each; it publishes, and gets the message."""
    delays: list[float] = []
    async with AsyncExitStack() as stack:
        addresses = [peer.address(f"user-{number}") for number in range(users)]
        sockets = await connected(stack, addresses, peer.greet)

        async def read(socket: ClientConnection) -> None:
            async for frame in socket:
                text = peer.received(str(frame))
                if text is not None:
                    delays.append((time.time() - float(text.split()[0])) * 1e3)

        async def publish(messages: int) -> None:
            delays.clear()
            began = time.perf_counter()
            for number in range(messages):
                if (ahead := number / per_second - (time.perf_counter() - began)) > 0:
                    # Not waiting for anything to happen: this is the pace.
                    await asyncio.sleep(ahead)
                await sockets[number % users].send(peer.published(f"{time.time():.6f} {PADDING}"))
            async with asyncio.timeout(60):
                while len(delays) < messages:  # noqa: ASYNC110 (a signal for each frame would slow the client down)
                    await asyncio.sleep(0.05)

        with no_collections():
            async with running(map(read, sockets)):
                await publish(int(per_second * WARM_SECONDS))
                cpu, messages = cpu_seconds(peer.server.pid), int(per_second * seconds)
                await publish(messages)
                took = cpu_seconds(peer.server.pid) - cpu
    return Fanout(messages / seconds, delays, took / messages * 1e6, 0.0)


async def fanout(
    service: ServiceProcess, process: Program, url: str, *, users: int, per_second: float, seconds: float
) -> Fanout:
    """Send changes to so many users, one socket each; half of them are creations, whose delay is measured."""
    delays: list[float] = []
    received = 0
    async with AsyncExitStack() as stack:
        sockets = await connected(stack, addresses(url, users), ping)

        async def read(socket: ClientConnection) -> None:
            nonlocal received
            async for text in socket:
                now = time.time()
                data = json.loads(text).get("data")
                if data is None:
                    continue
                received += 1
                if data["status"] == "pending" and "seq" in data:
                    delays.append(now * 1e3 - int(data["filename"].split()[0]) / 1e3)

        async def change(round_number: int, seconds: float) -> int:
            nonlocal received
            received = 0
            delays.clear()
            service.send_line(f"{seconds} {per_second} {users} 0")
            line = await asyncio.to_thread(service.wait_for, f"driven {round_number}:", within=seconds + 60)
            events = 2 * int(line.split()[-1])
            async with asyncio.timeout(60):
                while received < events:  # noqa: ASYNC110 (a signal for each frame would slow the client down)
                    await asyncio.sleep(0.05)
            return events

        with no_collections():
            async with running(map(read, sockets)):
                await change(1, WARM_SECONDS)
                before = cpu_seconds(process.pid), cpu_seconds(service.pid)
                events = await change(2, seconds)
                after = cpu_seconds(process.pid), cpu_seconds(service.pid)
    return Fanout(
        events / seconds, delays, (after[0] - before[0]) / events * 1e6, (after[1] - before[1]) / events * 1e6
    )


@contextmanager
def no_collections() -> Iterator[None]:
    """Collect no garbage within the block: with thousands of sockets here, a collection delays all that is measured."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@asynccontextmanager
async def running(coroutines: Iterable[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run these beside the block, and end them with it; the first that fails ends both."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in coroutines]
        yield
        for task in tasks:
            task.cancel()
