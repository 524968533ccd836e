"""One run: start the stack and the clients, follow the schedule, let everything settle, and check the history."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from grpc import aio

from tests.support.api import Api, long_token, open_channel
from tests.support.http import http_client
from tests.support.postgres import PostgresServer
from tools.chaos.callers import Caller, Intruder, revoke, watch_readiness
from tools.chaos.clients import Client, GrpcWatcher, Poller, PythonClient, RestlessSocket, RestlessWatcher, SocketClient
from tools.chaos.operations import Operator, receivers
from tools.chaos.recorder import Recorder, logged, seq_of, state_name
from tools.chaos.schedule import Step, make_schedule
from tools.chaos.stack import PENDING, RUNNING, SLOTS, STALLED_AFTER, Stack
from tools.checker.history import ENDED, Config, Disturbed, Stored
from tools.checker.verdict import Verdict, check
from whitebg.v1 import event_pb2

USERS = ("ann", "bob")
RESTLESS = 6
"""Clients of each user and kind that connect again and again."""
HOOKED = ("", *USERS)
"""Whose tasks each webhook gets; empty for all."""
SETTLE_SECONDS = 180.0
"""Time for all tasks to end, and clients and webhooks to catch up, once the faults are over; longer counts as stuck."""
READINESS_LAG = 30.0
"""Two observations of the service with their probes."""
SLACK = 8.0
"""More than the longest freeze, which may lie between an event's time and its commit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run's schedule, verdict and history."""

    schedule: Sequence[Step]
    verdict: Verdict
    history: Path


async def run(*, seed: int, seconds: float, postgres: bool, folder: Path) -> Outcome:
    """Run one seed on SQLite or a PostgreSQL server of its own; files go to ``folder``, which exists."""
    schedule = make_schedule(seed, seconds, postgres=postgres)
    history = folder / "history.jsonl"
    recorder = Recorder.to(history)
    server = await asyncio.to_thread(_start_postgres) if postgres else None
    stack = Stack(folder / "data", server)
    try:
        await stack.start()
        async with _Load(stack, recorder, seed).running() as load:
            await load.disturb(schedule)
            await load.settle()
        await _read_log(stack, recorder)
    finally:
        await stack.close()
        if server is not None:
            await asyncio.to_thread(server.close)
        recorder.close()
    return Outcome(schedule, check(recorder.records), history)


def _start_postgres() -> PostgresServer:
    server = PostgresServer()
    server.start()
    return server


class _Load:
    """All clients and callers of a run."""

    def __init__(self, stack: Stack, recorder: Recorder, seed: int) -> None:
        self._stack = stack
        self._recorder = recorder
        self._seed = seed
        self._over, self._settled = asyncio.Event(), asyncio.Event()
        self._clients: list[Client] = []
        self._callers: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[_Load]:
        """Connect everything; end it with the block."""
        stack, address = self._stack, self._stack.proxies["http"].address
        self._recorder.add(
            Config(
                pending_per_user=PENDING,
                running_per_user=RUNNING,
                # A service without a worker only reports a stall while no task runs at all.
                slots=SLOTS if stack.postgres is None else 1,
                stalled_after=STALLED_AFTER,
                readiness_lag=READINESS_LAG,
                revoked_within=5.0,
                paused_within=1.0,
                slack=SLACK,
            )
        )
        async with AsyncExitStack() as resources:
            http = await resources.enter_async_context(http_client())
            options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
            channel = await resources.enter_async_context(
                aio.insecure_channel(stack.proxies["grpc"].address, options=options)
            )
            for user in USERS:
                api = Api(channel, user, long_token(user))
                cursor = (await api.events()).head
                self._clients += self._of_user(api, cursor, http)
                caller = Caller(api, self._recorder, self._rng(f"caller {user}"))
                self._callers.append(asyncio.create_task(caller.call_until(self._over)))
            hooks = resources.enter_context(receivers(len(HOOKED), self._rng("receivers")))
            self._operator = Operator(Api(channel, "ops", long_token("ops", scope="admin")), self._recorder)
            for user, receiver in zip(HOOKED, hooks, strict=True):
                await self._operator.hook(receiver, user)
            pausing = self._operator.pause_until(self._over, self._rng("operator"))
            self._callers.append(asyncio.create_task(pausing))
            eve = long_token("eve", sid="s1")
            intruder = Intruder("s1", Api(channel, "eve", eve), eve, address, http, self._recorder)
            self._admin = Api(channel, "root", long_token("root", scope="admin service"))
            others: list[Coroutine[None, None, None]] = [
                intruder.call(),
                watch_readiness(f"127.0.0.1:{stack.http_port}", http, self._recorder),
                *(client.follow() for client in self._clients),
            ]
            self._others = [asyncio.create_task(other) for other in others]
            try:
                yield self
            finally:
                tasks = [*self._callers, *self._others]
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{name} {self._seed}")

    def _of_user(self, api: Api, cursor: str, http: httpx.AsyncClient) -> list[Client]:
        user, address = api.user, self._stack.proxies["http"].address
        bearer = long_token(user)

        def base(kind: str) -> tuple[str, str, str, str, Recorder, random.Random, asyncio.Event]:
            name = f"{user}-{kind}"
            return name, user, bearer, cursor, self._recorder, self._rng(name), self._settled

        return [
            GrpcWatcher(*base("grpc"), api=api),
            GrpcWatcher(*base("grpc-snapshots"), api=api, snapshots=True),
            PythonClient(*base("python"), target=self._stack.proxies["grpc"].address),
            SocketClient(*base("v1"), address=address),
            SocketClient(*base("v1-acks"), address=address, acks=True),
            SocketClient(*base("v2"), address=address, v2=True),
            SocketClient(*base("v2-acks"), address=address, v2=True, acks=True),
            Poller(*base("poller"), address=address, http=http),
            *(RestlessSocket(*base(f"restless-v1-{n}"), address=address) for n in range(RESTLESS)),
            *(RestlessSocket(*base(f"restless-v2-{n}"), address=address, v2=True) for n in range(RESTLESS)),
            *(RestlessWatcher(*base(f"restless-grpc-{n}"), api=api) for n in range(RESTLESS)),
        ]

    async def disturb(self, schedule: Sequence[Step]) -> None:
        """Follow the schedule; in its middle, revoke a session."""
        for number, step in enumerate(schedule):
            if number == len(schedule) // 2:
                await revoke(self._admin, "s1", self._recorder)
            await asyncio.sleep(step.pause)
            await self._stack.disturb(step)
            self._recorder.add(Disturbed(at=time.time()))

    async def settle(self) -> None:
        """End the calls, and return when all tasks have ended and all clients are at the end of their logs."""
        self._over.set()
        self._settled.set()
        deadline = time.monotonic() + SETTLE_SECONDS
        await asyncio.wait(self._callers, timeout=SETTLE_SECONDS)
        while time.monotonic() < deadline and not await self._quiet():  # noqa: ASYNC110 (nothing signals it)
            await asyncio.sleep(0.3)
        for client in self._clients:
            client.finished()
        await self._operator.record_webhooks()

    async def _quiet(self) -> bool:
        heads: dict[str, int] = {}
        async with open_channel(f"127.0.0.1:{self._stack.grpc_port}") as channel:
            for user in USERS:
                api = Api(channel, user, long_token(user))
                try:
                    listed = await api.list_tasks(page_size=500)
                except aio.AioRpcError:
                    return False
                if any(state_name(task.state) not in ENDED for task in listed.tasks):
                    return False
                heads[user] = seq_of(listed.cursor)
            try:
                revision = (await Api(channel, "root", long_token("root", scope="admin")).stats()).head_revision
                if not await self._operator.delivered(revision):
                    return False
            except aio.AioRpcError:
                return False
        return all(client.reached >= heads[client.user] for client in self._clients)


async def _read_log(stack: Stack, recorder: Recorder) -> None:
    """Read the whole log, and all rows."""
    async with open_channel(f"127.0.0.1:{stack.grpc_port}") as channel:
        root = Api(channel, "root", long_token("root", scope="admin service"))
        epoch = (await root.stats()).epoch
        async with root.watch(settled=False, all_users=True, after=f"{epoch}:r0", stop_at_head=True) as watch:
            await watch.rest()
        events: list[event_pb2.TaskEvent] = watch.events
        for event in events:
            recorder.add(logged(event))
        for user in USERS:
            api, page_token = Api(channel, user, long_token(user)), ""
            while True:
                page = await api.list_tasks(page_size=500, page_token=page_token)
                for task in page.tasks:
                    recorder.add(
                        Stored(
                            task_id=task.task_id,
                            user=task.user_id,
                            state=state_name(task.state),
                            attempt=task.attempt,
                            seq=task.seq,
                        )
                    )
                if not (page_token := page.next_page_token):
                    break
