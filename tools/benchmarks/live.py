"""The real processes: latency of changes, latency of task starts, and speed of a log's replay."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from websockets.asyncio.client import connect

from tests.support.api import Api, open_channel, token
from tests.support.patience import PATIENCE
from tests.support.processes import Program, program
from tools.benchmarks.peers import METHOD
from whitebg.v1 import event_pb2

STARTED, COMPLETED = event_pb2.EVENT_TYPE_STARTED, event_pb2.EVENT_TYPE_COMPLETED


PAUSE_SECONDS = 0.05
EVENTS_PER_TASK = 3
"""Created, started, completed."""


@dataclass
class Chain:
    """Observations of one user's tasks. Times are in seconds of the clock that all processes here share."""

    submitted: dict[int, float] = field(default_factory=dict)
    frames: dict[str, float] = field(default_factory=dict)
    """When the frame with this cursor arrived."""
    events: dict[str, event_pb2.TaskEvent] = field(default_factory=dict)
    engine_called: dict[int, float] = field(default_factory=dict)
    """When the engine first reported progress of this task."""

    @property
    def change_to_frame(self) -> list[float]:
        """From a transition, before its commit, to its frame at the browser's end of the socket, in ms."""
        return [(self.frames[cursor] - seconds(event.occurred_at)) * 1e3 for cursor, event in self.events.items()]

    @property
    def submit_to_start(self) -> list[float]:
        """From the start of the call, photo included, to the claim of the task by a worker, in ms."""
        return [
            (seconds(event.occurred_at) - self.submitted[event.task.task_id]) * 1e3
            for event in self.events.values()
            if event.type == STARTED
        ]

    @property
    def submit_to_engine(self) -> list[float]:
        """From the start of the call to the first report of the engine's own process, in ms."""
        return [(at - self.submitted[task_id]) * 1e3 for task_id, at in self.engine_called.items()]


def seconds(at: Timestamp) -> float:
    """Return a time in seconds since 1970."""
    return at.ToMicroseconds() / 1e6


@contextmanager
def whitebg_up(data_dir: Path) -> Iterator[dict[str, str]]:
    """Run service and gateway as `whitebg up` does; yield its endpoints, and the secret."""
    argv = [sys.executable, "-m", "whitebg", "up", "--data-dir", str(data_dir), "--http-port", "0", "--grpc-port", "0"]
    with program(argv) as process:
        process.wait_for("whitebg is running")
        endpoints: dict[str, str] = json.loads((data_dir / "endpoints.json").read_text())
        yield endpoints | {"secret": (data_dir / "jwt-secret").read_text()}
        process.terminate()
        process.wait()


async def follow_tasks(endpoints: dict[str, str], tasks: int) -> Chain:
    """Process this many small photos, one after the other, and record when each event was observed."""
    chain = Chain()
    bearer = token("bench-live", secret=endpoints["secret"])
    url = f"{endpoints['http_url'].replace('http', 'ws', 1)}/ws/notifications?token={bearer}"
    async with open_channel(endpoints["grpc_target"]) as channel, connect(url, compression=None) as socket:
        api = Api(channel, "bench-live", bearer)
        await socket.send('{"type": "ping"}')
        await socket.recv()

        async def read_frames() -> None:
            while len(chain.frames) < EVENTS_PER_TASK * tasks:
                text = await socket.recv()
                now = time.time()
                frame = json.loads(text)
                if "id" in frame:
                    chain.frames[frame["id"]] = now

        reading = asyncio.create_task(read_frames())
        async with api.watch() as watch:
            for _ in range(tasks):
                began = time.time()
                task = await api.submit()
                chain.submitted[task.task_id] = began
                await watch.until_event(COMPLETED, task.task_id)
                # Not a wait for an event: a pace at which each task finds the service idle.
                await asyncio.sleep(PAUSE_SECONDS)
        chain.events = {event.cursor: event for event in watch.events}
        for item in watch.items:
            if item.progress.attempt:
                chain.engine_called.setdefault(item.progress.task_id, seconds(item.progress.updated_at))
        async with asyncio.timeout(PATIENCE):
            await reading
    return chain


async def replayed_per_second(endpoints: dict[str, str], user: str, events: int) -> float:
    """Read a user's whole log through WatchTasks, in the service's batches."""
    async with open_channel(endpoints["grpc_target"]) as channel:
        api = Api(channel, user, token(user, secret=endpoints["secret"]))
        epoch = (await api.events(page_size=1)).head.partition(":")[0]
        began = time.perf_counter()
        async with api.watch(settled=False, after=f"{epoch}:0", stop_at_head=True) as watch:
            await watch.rest()
        took = time.perf_counter() - began
    assert [event.seq for event in watch.events] == list(range(1, events + 1))
    return events / took


@contextmanager
def peer_program(kind: str) -> Iterator[tuple[Program, int]]:
    """Run a peer; yield it and its port."""
    with program([sys.executable, "-m", "tools.benchmarks.peers", kind]) as process:
        yield process, int(process.wait_for("peer serves on").split()[-1])


@asynccontextmanager
async def peer(kind: str) -> AsyncIterator[int]:
    """Run a peer; yield its port."""
    process: Program
    with program([sys.executable, "-m", "tools.benchmarks.peers", kind]) as process:
        yield int((await asyncio.to_thread(process.wait_for, "peer serves on")).split()[-1])


async def bare_stream_per_second(messages: int) -> float:
    """Read messages from a bare gRPC stream, one event's bytes in each."""
    async with peer("grpc") as port, aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
        began = time.perf_counter()
        read = [message async for message in stream(str(messages).encode())]
        took = time.perf_counter() - began
    assert len(read) == messages
    return messages / took
