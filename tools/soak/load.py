"""The load of a soak: tasks at a steady pace, watchers that stay, and sockets that come and go."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress

from grpc import aio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.support.api import Api, long_token
from tools.benchmarks.photos import PHOTO

USERS = 2
"""Few, so that what a socket remembers of its user's latest 1,024 tasks is full before the warm-up ends."""
RESTING = 24
"""Sockets that stay open."""
RESTLESS = 8
"""Sockets that connect again and again."""
STAYS = 0.2
"""Seconds that a restless socket stays."""
CANCELLED, DELETED = 0.1, 0.1
"""Shares of the tasks that are cancelled at once, or deleted after their end."""


class Load:
    """Runs until cancelled; an error of the system under test ends it."""

    def __init__(self, channel: aio.Channel, sockets: str, *, per_second: float) -> None:
        self._apis = [Api(channel, f"user-{number}", long_token(f"user-{number}")) for number in range(USERS)]
        self._sockets = sockets
        self._pause = 1.0 / per_second
        self._random = random.Random(0)
        self.submitted = 0
        self.connected = 0

    async def run(self) -> None:
        """Keep the load up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submit(group))
            for api in self._apis:
                group.create_task(self._watch(api))
            for number in range(RESTING + RESTLESS):
                user = f"user-{number % USERS}"
                stays = None if number < RESTING else STAYS
                group.create_task(self._socket(long_token(user), stays, v2=number % 2 == 0))

    async def _submit(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, api in enumerate(itertools.cycle(self._apis)):
            await asyncio.sleep(start + number * self._pause - loop.time())
            group.create_task(self._one(api, self._random.random()))

    async def _one(self, api: Api, lot: float) -> None:
        task = await api.submit(PHOTO)
        self.submitted += 1
        if lot < CANCELLED:
            with suppress(aio.AioRpcError):  # It may have ended already.
                await api.cancel(task.task_id)
        elif lot < CANCELLED + DELETED:
            await api.delete(task_ids=[task.task_id])

    async def _watch(self, api: Api) -> None:
        async with api.watch() as watch:
            while await watch.next():
                watch.items.clear()
        raise RuntimeError(f"the stream of {api.user} ended")

    async def _socket(self, bearer: str, stays: float | None, *, v2: bool) -> None:
        url = f"{self._sockets}?token={bearer}"
        protocols = [Subprotocol("whitebg.v2")] if v2 else None
        while True:
            async with connect(url, subprotocols=protocols, compression=None) as socket:
                self.connected += 1
                with suppress(TimeoutError, WebSocketException):
                    async with asyncio.timeout(stays):
                        async for _ in socket:
                            continue
