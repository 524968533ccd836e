"""Clients that follow a log through every disconnection, resuming with their last cursor as clients should."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from grpc import aio

from tests.support.api import TERMINAL, Api, long_token
from tools.chaos.clients import SocketClient
from tools.chaos.recorder import Recorder
from tools.cluster.topology import Topology
from whitebg.v1 import event_pb2

AGAIN_SECONDS = 0.2


@asynccontextmanager
async def browsers(
    cluster: Topology, epoch: str, users: Sequence[str], recorder: Recorder
) -> AsyncIterator[Sequence[SocketClient]]:
    """Open two tabs for each user, on the gateways selected by nginx."""
    stays = asyncio.Event()
    stays.set()
    tabs = [
        SocketClient(
            f"{user}-{number}",
            user,
            long_token(user, secret=cluster.secret),
            f"{epoch}:0",
            recorder,
            random.Random(),
            stays,
            address=cluster.http,
        )
        for user in users
        for number in (1, 2)
    ]
    following = [asyncio.create_task(tab.follow()) for tab in tabs]
    try:
        yield tabs
    finally:
        for task in following:
            task.cancel()
        await asyncio.wait(following)
    for task in following:
        assert task.cancelled(), task.exception()


async def caught_up(tabs: Sequence[SocketClient], heads: Mapping[str, int], within: float) -> None:
    """Return once every tab has reached the end of its user's log, and record that."""
    async with asyncio.timeout(within):
        while any(tab.reached < heads[tab.user] for tab in tabs):  # noqa: ASYNC110 (many tabs)
            await asyncio.sleep(AGAIN_SECONDS)
    for tab in tabs:
        tab.finished()


@dataclass
class LogFollower:
    """A watcher of all users over gRPC, through nginx."""

    api: Api
    after: str
    events: list[event_pb2.TaskEvent] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[LogFollower]:
        """Follow while the block runs."""
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            following.cancel()
            await asyncio.wait([following])
        assert following.cancelled(), following.exception()

    async def _follow(self) -> None:
        while True:
            # A rejected cursor, unlike a lost connection, shows in the missing events.
            with suppress(aio.AioRpcError):
                async with self.api.watch(settled=False, all_users=True, after=self.after) as watch:
                    while items := await watch.next():
                        async with self._changed:
                            self.events += [item.event for item in items if item.HasField("event")]
                            self.after = watch.cursor
                            self._changed.notify_all()
            await asyncio.sleep(AGAIN_SECONDS)

    @property
    def latest(self) -> Mapping[int, event_pb2.TaskEvent]:
        """The last event of each task, in the order of the tasks' creation."""
        return {event.task.task_id: event for event in self.events}

    async def until(self, enough: Callable[[], bool], within: float) -> None:
        """Return once it has received enough; fail if no event arrives for ``within`` seconds."""
        async with self._changed:
            while not enough():
                async with asyncio.timeout(within):
                    await self._changed.wait()

    async def ended(self, number: int, within: float) -> None:
        """Return once this many terminal events were received; fail if none arrives for ``within`` seconds."""
        await self.until(lambda: sum(event.type in TERMINAL for event in self.events) >= number, within)
