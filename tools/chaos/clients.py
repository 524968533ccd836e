"""Clients of every kind. Each follows one user's log over all disturbances, drops out at random, and records all."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode

import httpx
import orjson
from grpc import aio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.support.api import Api
from tools.chaos.recorder import Recorder, SocketReader, seq_of, state_name, type_name
from tools.checker.history import Finished, Moved, Opened, Received, Shown, SnapshotBegun, SnapshotEnded
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb

POLL_SECONDS = 0.2
GONE = (aio.AioRpcError, asyncio.TimeoutError)


@dataclass
class Client:
    """One client: it follows until `cancelled`; ``cursor`` is where it resumes."""

    stays: ClassVar[tuple[float, float]] = (0.5, 6.0)
    """It drops its connection after so many seconds."""
    again: ClassVar[float] = 0.2
    """Seconds before it connects again."""

    name: str
    user: str
    token: str
    cursor: str
    recorder: Recorder
    rng: random.Random
    settled: asyncio.Event
    """Set when the faults are over: from then on, it keeps its connection."""
    reached: int = field(default=0, init=False)
    """The highest seq that it has received or been given as a cursor."""

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            stays = self.rng.uniform(*self.stays)
            connection = asyncio.create_task(self.connection())
            over = asyncio.create_task(self.settled.wait())
            try:
                await asyncio.wait({connection, over}, timeout=stays, return_when=asyncio.FIRST_COMPLETED)
                if self.settled.is_set():
                    await asyncio.wait({connection})
            finally:
                over.cancel()
                connection.cancel()
                await asyncio.wait({connection})
            if not connection.cancelled() and (error := connection.exception()) is not None:
                raise error
            await asyncio.sleep(self.again)

    async def connection(self) -> None:
        """Open one connection and follow it to its end."""
        raise NotImplementedError

    def opened(self, *, after: str | None, acks: bool = False) -> None:
        """Record a new connection."""
        position = None if after is None else seq_of(after)
        self.recorder.add(Opened(client=self.name, user=self.user, at=time.time(), after=position, acks=acks))

    def finished(self) -> None:
        """Record the end of the run."""
        self.recorder.add(Finished(client=self.name, at=time.time()))

    def reach(self, cursor: str) -> None:
        """Keep a cursor."""
        self.cursor = cursor
        self.reached = max(self.reached, seq_of(cursor))


@dataclass
class GrpcWatcher(Client):
    """A client of the generated stubs; with ``snapshots``, it begins each connection with one."""

    api: Api
    snapshots: bool = False

    async def connection(self) -> None:
        """Watch after the cursor, or with a snapshot, until the stream ends."""
        after = None if self.snapshots else self.cursor
        self.opened(after=after)
        with suppress(*GONE):
            async with self.api.watch(settled=False, after=after or "", snapshot=after is None) as watch:
                while items := await watch.next():
                    for item in items:
                        self._take(item, watch.cursor)
                    if items[-1].WhichOneof("item") != "snapshot_task" and watch.cursor:
                        self._move(watch.cursor)

    def _take(self, item: pb.WatchItem, cursor: str) -> None:
        now, name = time.time(), self.name
        match item.WhichOneof("item"):
            case "event":
                self.recorder.add(received(name, now, item.event))
            case "snapshot_begin":
                self.recorder.add(SnapshotBegun(client=name, at=now))
            case "snapshot_task":
                self.recorder.add(shown(name, now, item.snapshot_task))
            case "snapshot_end":
                self.recorder.add(SnapshotEnded(client=name, at=now, seq=seq_of(cursor)))

    def _move(self, cursor: str) -> None:
        self.recorder.add(Moved(client=self.name, at=time.time(), seq=seq_of(cursor)))
        self.reach(cursor)


@dataclass
class PythonClient(Client):
    """The Python client, which resumes by itself; it drops out between two updates of a batch as well."""

    target: str

    async def connection(self) -> None:
        """Watch until the client drops out."""
        self.opened(after=self.cursor)
        with suppress(errors.WhitebgError):
            async with (
                AsyncClient(self.target, self.token, timeout=5) as client,
                aclosing(client.watch(self.cursor)) as updates,
            ):
                async for update in updates:
                    self._take(update)
                    if self.rng.random() < 0.05 and not self.settled.is_set():
                        return

    def _take(self, update: models.WatchUpdate) -> None:
        now = time.time()
        if isinstance(update, models.TaskEvent):
            deleted = update.type is models.EventType.DELETED
            self.recorder.add(
                Received(
                    client=self.name,
                    at=now,
                    seq=update.seq,
                    task_id=update.task.task_id,
                    state="deleted" if deleted else update.task.state.value,
                    attempt=update.task.attempt,
                )
            )
        self.recorder.add(Moved(client=self.name, at=now, seq=seq_of(update.cursor)))
        self.reach(update.cursor)


@dataclass
class SocketClient(Client):
    """A WebSocket of the first or second protocol; with ``acks``, it acknowledges most of its messages."""

    address: str
    v2: bool = False
    acks: bool = False

    async def connection(self) -> None:
        """Hold a socket until it closes."""
        query = {"token": self.token, "since": self.cursor} | ({"ack": "1"} if self.acks else {})
        self.opened(after=self.cursor, acks=self.acks)
        reader = SocketReader(self.name, self.recorder.add, self.cursor)
        with suppress(WebSocketException, OSError, TimeoutError):
            async with connect(
                f"ws://{self.address}/ws/notifications?{urlencode(query)}",
                subprotocols=[Subprotocol("whitebg.v2")] if self.v2 else None,
                compression=None,
                ping_interval=None,
            ) as socket:
                async for text in socket:
                    message = orjson.loads(text)
                    reader.take(message)
                    if not reader.in_snapshot:
                        self.reach(reader.cursor)
                    if self.acks and "id" in message and (self.settled.is_set() or self.rng.random() < 0.8):
                        await socket.send(orjson.dumps({"type": "ack", "message_id": message["id"]}).decode())
                    # Not within a snapshot: each answer would ask for more than one other.
                    if self.v2 and not reader.in_snapshot and self.rng.random() < 0.03:
                        await socket.send('{"type":"sync"}')


class RestlessSocket(SocketClient):
    """A WebSocket that connects again and again: most events reach it by a replay."""

    stays = (0.02, 1.0)
    again = 0.02


class RestlessWatcher(GrpcWatcher):
    """A gRPC stream that is opened again and again."""

    stays = (0.02, 1.0)
    again = 0.02


@dataclass
class Poller(Client):
    """A client without a socket; now and then it asks for the tasks as they stand."""

    address: str
    http: httpx.AsyncClient

    async def connection(self) -> None:
        """Poll until cancelled."""
        self.opened(after=self.cursor)
        reader = SocketReader(self.name, self.recorder.add, self.cursor)
        while True:
            since = None if self.rng.random() < 0.05 else reader.cursor
            with suppress(httpx.HTTPError):
                response = await self.http.post(
                    f"http://{self.address}/api/messages/sync",
                    json={"since": since},
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=10,
                )
                if response.status_code == 200:
                    page = response.json()
                    if page["mode"] == "snapshot":
                        reader.begin_snapshot()
                    for message in page["messages"]:
                        reader.take(message)
                    reader.end(page["cursor"])
                    self.reach(reader.cursor)
            await asyncio.sleep(POLL_SECONDS)


def received(client: str, at: float, event: event_pb2.TaskEvent) -> Received:
    """Return the record of an event received through gRPC."""
    kind = type_name(event.type)
    return Received(
        client=client,
        at=at,
        seq=event.seq,
        task_id=event.task.task_id,
        state=kind if kind == "deleted" else state_name(event.task.state),
        attempt=event.task.attempt,
    )


def shown(client: str, at: float, task: task_pb2.Task) -> Shown:
    """Return the record of a task in a snapshot of gRPC."""
    return Shown(
        client=client, at=at, task_id=task.task_id, state=state_name(task.state), attempt=task.attempt, seq=task.seq
    )
