"""Clients that follow a log through every disconnection, resuming with their last cursor as clients should."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from grpc import aio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.support.api import TERMINAL, Api
from whitebg.v1 import event_pb2

AGAIN_SECONDS = 0.2


@dataclass
class BrowserFollower:
    """One tab of one user, on the gateway selected by nginx."""

    base: str
    token: str
    cursor: str
    seqs: list[int] = field(default_factory=list)
    """The seq of each durable message, when first received."""
    repeated: int = 0
    out_of_order: int = 0
    breaks: int = 0

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            query = urlencode({"token": self.token, "since": self.cursor})
            with suppress(WebSocketException, OSError, TimeoutError):
                async with connect(f"ws://{self.base}/ws/notifications?{query}", compression=None) as socket:
                    async for text in socket:
                        self._take(json.loads(text))
            self.breaks += 1
            # Nothing signals that a server is available again.
            await asyncio.sleep(AGAIN_SECONDS)

    def _take(self, message: dict[str, object]) -> None:
        if not isinstance(name := message.get("id"), str):
            return
        seq = int(name.rpartition(":")[2])
        if self.seqs and seq <= self.seqs[-1]:
            self.repeated += seq in self.seqs
            self.out_of_order += seq not in self.seqs
            return
        self.seqs.append(seq)
        self.cursor = name


@dataclass
class LogFollower:
    """A watcher of all users over gRPC, through nginx."""

    api: Api
    after: str
    events: list[event_pb2.TaskEvent] = field(default_factory=list)
    breaks: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            # A rejected cursor, unlike a lost connection, shows in the missing events.
            with suppress(aio.AioRpcError):
                async with self.api.watch(settled=False, all_users=True, after=self.after) as watch:
                    while items := await watch.next():
                        async with self._news:
                            self.events += [item.event for item in items if item.HasField("event")]
                            self.after = watch.cursor
                            self._news.notify_all()
            self.breaks += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def ended(self, number: int, within: float) -> None:
        """Return once this many terminal events were received; fail if none arrives for ``within`` seconds."""
        async with self._news:
            while sum(event.type in TERMINAL for event in self.events) < number:
                async with asyncio.timeout(within):
                    await self._news.wait()
