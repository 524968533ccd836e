"""The real processes on one machine, each of which can be killed, frozen, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.support.api import SECRET
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ServiceProcess, WorkerProcess, engine_pids, free_port
from tools.chaos.proxy import Proxy
from tools.chaos.schedule import Fault, Step

PENDING, RUNNING, SLOTS = 6, 1, 2
STALLED_AFTER = 5.0
SETTINGS = {
    "lease": "PT3S",
    "heartbeat": "PT1S",
    "max_lost_leases": "100",
    "max_attempts": "5",
    "retry_base": "PT0.1S",
    "retry_cap": "PT0.5S",
    "pending_per_user": str(PENDING),
    "running_per_user": str(RUNNING),
    "stalled_after": f"PT{STALLED_AFTER:g}S",
    "min_free_mib": "0",
    "pool_processes": str(SLOTS),
    "webhook_allowed_networks": "127.0.0.0/8",
    "webhook_allow_http": "true",
}
_GATEWAY = {
    "connections_per_user": "0",
    "connections_per_minute": "0",
    "connections_per_address": "0",
    "failed_handshakes_per_minute": "0",
    "drain_timeout": "PT2S",
}


@dataclass
class Stack:
    """Service, gateway and, with PostgreSQL, the server and a worker of its own; proxies before service and gateway."""

    folder: Path
    postgres: PostgresServer | None = None
    processes: dict[str, Program] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    _start: dict[str, Callable[[], Program]] = field(default_factory=dict)

    async def start(self) -> None:
        """Start everything; return once all are ready."""
        self.proxies = {
            "grpc": Proxy(self.grpc_port), "upstream": Proxy(self.grpc_port), "http": Proxy(self.http_port)
        }  # fmt: skip
        for proxy in self.proxies.values():
            await proxy.start()
        shared = SETTINGS | {"grpc_port": str(self.grpc_port)}
        if self.postgres is None:
            self._start["service"] = partial(
                ServiceProcess, self.folder, SECRET, **shared | {"worker_slots": str(SLOTS)}
            )
        else:
            url = self.postgres.url(await asyncio.to_thread(self.postgres.create))
            shared["database_url"] = url
            self._start["service"] = partial(ServiceProcess, self.folder, SECRET, **shared | {"worker_slots": "0"})
            self._start["worker"] = partial(WorkerProcess, self.folder, url, **SETTINGS | {"worker_slots": str(SLOTS)})
        self._start["gateway"] = self._gateway
        for name in self._start:
            await self._launch(name)

    def _gateway(self) -> Program:
        upstream = self.proxies["upstream"].address
        addresses = {"http_port": str(self.http_port), "grpc_target": upstream, "jwt_secret": SECRET}
        process = Program([sys.executable, "-m", "ws_gateway"], addresses | _GATEWAY)
        process.wait_for("listening on")
        return process

    async def _launch(self, name: str) -> None:
        self.processes[name] = await asyncio.to_thread(self._start[name])

    async def disturb(self, step: Step) -> None:
        """Do one step of the schedule; return once its target runs again."""
        match step:
            case Step(fault=Fault.CUT):
                await self.proxies[step.target].cut(step.seconds)
            case Step(target="postgres"):
                await self._disturb_postgres(step)
            case Step(target="pool"):
                await self._disturb_pool(step)
            case Step(fault=Fault.FREEZE):
                process = self.processes[step.target]
                process.signal(signal.SIGSTOP)
                await asyncio.sleep(step.seconds)
                process.signal(signal.SIGCONT)
            case Step(fault=Fault.STOP):
                process = self.processes[step.target]
                process.terminate()
                await asyncio.to_thread(process.wait)
                await self._restart(process, step)
            case _:
                await self._restart(self.processes[step.target], step)

    async def _restart(self, process: Program, step: Step) -> None:
        await asyncio.to_thread(process.close)
        await asyncio.sleep(step.seconds)
        await self._launch(step.target)

    async def _disturb_postgres(self, step: Step) -> None:
        assert self.postgres is not None
        await asyncio.to_thread(self.postgres.kill if step.fault is Fault.KILL else self.postgres.stop)
        await asyncio.sleep(step.seconds)
        await asyncio.to_thread(self.postgres.start)

    async def _disturb_pool(self, step: Step) -> None:
        worker = self.processes.get("worker", self.processes["service"])
        for pid in engine_pids(worker.pid)[:1]:
            with suppress(ProcessLookupError):  # It may end by itself at any time.
                os.kill(pid, signal.SIGKILL if step.fault is Fault.KILL else signal.SIGSTOP)
                await asyncio.sleep(step.seconds)
                os.kill(pid, signal.SIGCONT)

    async def close(self) -> None:
        """End everything."""
        for proxy in self.proxies.values():
            await proxy.close()
        for process in self.processes.values():
            await asyncio.to_thread(process.close)
