"""Our service beside job queues: bursts, and the wait of tasks at a steady pace; all in the same run, in turn."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import Program, ServiceProcess, environment, free_port
from tools.benchmarks.cpu import cpu_seconds
from tools.benchmarks.work import burst, noop_service, paced

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv" / "peers" / "bin" / "python"
"""The peers' own environment; `make bench` makes it."""
MANY = 250
"""Submissions in one call, where there are several."""
REDIS_OPTIONS = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--daemonize", "no")


@dataclass(frozen=True)
class Run:
    """What one run of a queue took."""

    tasks: int
    seconds: float
    cpu_seconds: float
    """Of the workers and of what holds the tasks; not of the client that submits."""
    delays_ms: tuple[float, ...] = ()
    """From submission to start."""


class Queue(Protocol):
    """A queue under test."""

    name: str
    durability: str
    """When an acknowledged task survives a power cut."""
    bursts_only: bool
    """Whether it takes many tasks in one call, so that a steady pace is no use of it."""

    async def run(self, tasks: int, per_second: float) -> Run:
        """Take tasks through; ``per_second`` 0 is a burst."""
        ...


class Whitebg:
    """Our service, with three images of 3 kB for each task."""

    def __init__(
        self, name: str, durability: str, service: ServiceProcess, *others: Program, per_call: int = 1
    ) -> None:
        self.name = name if per_call == 1 else f"{name}, {per_call} in a call"
        self.durability = durability
        self.bursts_only = per_call > 1
        self._per_call = per_call
        self._service = service
        self._others = others

    async def run(self, tasks: int, per_second: float) -> Run:
        """Take tasks through the gRPC API."""
        before = sum(cpu_seconds(each.pid) for each in (self._service, *self._others))
        if per_second:
            delays, seconds = await paced(self._service, tasks, per_second)
        else:
            delays, seconds = [], (await burst(self._service, tasks, self._per_call)).seconds
        after = sum(cpu_seconds(each.pid) for each in (self._service, *self._others))
        return Run(tasks, seconds, after - before, tuple(delays))


class Peer:
    """A library's worker, and `peer_queues` as its client."""

    bursts_only = False

    def __init__(self, name: str, durability: str, kind: str, address: str, *programs: Program) -> None:
        self.name = name
        self.durability = durability
        self._settings = {"PEER_KIND": kind, "PEER_ADDRESS": address}
        self._programs = programs

    async def run(self, tasks: int, per_second: float) -> Run:
        """Take tasks through the library's own client."""
        before = sum(cpu_seconds(each.pid) for each in self._programs)
        argv = [str(PEERS), "-m", "tools.benchmarks.peer_queues", "submit", str(tasks), str(per_second)]
        client = await asyncio.create_subprocess_exec(
            *argv, env=environment() | self._settings, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await client.communicate()
        assert client.returncode == 0, f"{self.name} failed"
        after = sum(cpu_seconds(each.pid) for each in self._programs)
        found = json.loads(out)
        return Run(tasks, found["seconds"], after - before, tuple(found["delays_ms"]))


class PeerProgram(Program):
    """A program of a peer's environment."""

    def __init__(self, kind: str, address: str, *arguments: str) -> None:
        settings = [f"PEER_KIND={kind}", f"PEER_ADDRESS={address}"]
        super().__init__(["env", "-C", str(ROOT), *settings, str(PEERS), *arguments], {})


@contextmanager
def queues() -> Iterator[list[Queue]]:
    """Start all queues; each has a server of its own."""
    with ExitStack() as stack:
        found: list[Queue] = []
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whitebg-bench-")))
        synced = "each commit is synced"
        sqlite = stack.enter_context(noop_service(folder / "sqlite"))
        found += (Whitebg("whitebg, SQLite", synced, sqlite, per_call=each) for each in (1, MANY))
        postgres = stack.enter_context(postgres_server(durable=True))
        url = postgres.url(postgres.create())
        ours = stack.enter_context(noop_service(folder / "postgres", database_url=url, inline_image_kib="64"))
        name = "whitebg, PostgreSQL"
        found += (Whitebg(name, synced, ours, postgres.process, per_call=each) for each in (1, MANY))
        if not PEERS.exists():
            print(f"no peers: {PEERS} is missing; run make bench", file=sys.stderr)
        else:
            found += _peers(stack, folder, postgres)
        yield found


def _peers(stack: ExitStack, folder: Path, postgres: PostgresServer) -> Iterator[Queue]:
    for name, kind, fsync, durability in (
        ("taskiq, Redis Streams, fsync always", "taskiq", "always", "each write is synced"),
        ("taskiq, Redis Streams", "taskiq", "everysec", "up to 1 s may be lost"),
        ("Celery, Redis", "celery", "everysec", "up to 1 s may be lost"),
    ):
        port = free_port()
        home = folder / f"redis-{port}"
        home.mkdir()
        argv = ["redis-server", "--port", str(port), "--dir", str(home), "--appendfsync", fsync, *REDIS_OPTIONS]
        redis = stack.enter_context(_closing(Program(argv, {})))
        redis.wait_for("Ready to accept connections")
        address = f"redis://127.0.0.1:{port}/0"
        module = "tools.benchmarks.peer_queues"
        if kind == "taskiq":
            arguments = ["-m", "taskiq", "worker", f"{module}:broker", "--workers", "1", "--max-async-tasks", "64"]
            ready = "Listening started"
        else:
            arguments = ["-m", "celery", "-A", module, "worker", "--concurrency", "2", "--loglevel", "INFO"]
            ready = "ready."
        worker = stack.enter_context(_closing(PeerProgram(kind, address, *arguments)))
        worker.wait_for(ready)
        yield Peer(name, durability, kind, address, worker, redis)
    address = postgres.url(postgres.create())
    settings = environment() | {"PEER_KIND": "procrastinate", "PEER_ADDRESS": address}
    subprocess.run([PEERS, "-m", "tools.benchmarks.peer_queues", "schema"], env=settings, cwd=ROOT, check=True)
    arguments = ["-m", "procrastinate", "--app", "tools.benchmarks.peer_queues.papp", "-v"]
    arguments += ["worker", "--concurrency", "64"]
    worker = stack.enter_context(_closing(PeerProgram("procrastinate", address, *arguments)))
    worker.wait_for("Starting worker")
    yield Peer("Procrastinate, PostgreSQL", "each commit is synced", "procrastinate", address, worker, postgres.process)


@contextmanager
def _closing(program: Program) -> Iterator[Program]:
    try:
        yield program
    finally:
        program.close()
