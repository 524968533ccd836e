"""How many changes a second one PostgreSQL takes from several processes: where the head of the log is the limit.

The server waits for the disk, as in production. Users are independent; the head of the log is shared by all.

`python -m tools.benchmarks.scale URL WORKER TASKS_AT_ONCE SECONDS` is one of the processes: it writes a line once it is
ready, begins at a line of its standard input, and prints the transitions per second.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.postgres import open_postgres
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import program
from tools.benchmarks.cpu import cpu_seconds
from tools.benchmarks.store import UNBOUNDED, transitions

WRITERS = ((1, 1), (1, 10), (1, 100), (2, 10), (4, 10), (4, 100), (8, 10))
"""Processes, and the tasks that each moves at once: its commits hold about as many changes."""
_KIB_A_TASK = "SELECT pg_database_size(current_database()) / 1024.0 / nullif((SELECT count(*) FROM tasks), 0)"


@dataclass(frozen=True)
class Scale:
    """What so many processes wrote together."""

    processes: int
    at_once: int
    per_second: float
    database_us: float
    """Processor time of PostgreSQL for each change."""
    writers_us: float
    """Processor time of the writing processes for each change."""
    kib_a_task: float
    """Size of the database for each task with its events."""


def scales(seconds: float) -> Iterator[Scale]:
    """Measure each number of processes, on a database of its own."""
    with postgres_server(durable=True) as server:
        for processes, at_once in WRITERS:
            database = server.create()
            yield _measure(server, database, processes, at_once, seconds)
            server.drop(database)


def _measure(server: PostgresServer, database: str, processes: int, at_once: int, seconds: float) -> Scale:
    url = server.url(database)
    with ExitStack() as stack:
        argv = [sys.executable, "-m", "tools.benchmarks.scale", url]
        writers = [
            stack.enter_context(program([*argv, f"writer-{number}", str(at_once), str(seconds)]))
            for number in range(processes)
        ]
        for writer in writers:
            writer.wait_for("ready", within=60)
        before = cpu_seconds(server.process.pid), sum(cpu_seconds(each.pid) for each in writers)
        for writer in writers:
            writer.send_line("begin")
        rates = [float(writer.wait_for("per second", within=seconds + 60).split()[0]) for writer in writers]
        changes = sum(rates) * seconds
        took = cpu_seconds(server.process.pid), sum(cpu_seconds(each.pid) for each in writers)
    with psycopg.connect(url) as connection:
        kib = float((connection.execute(_KIB_A_TASK).fetchone() or (0,))[0])
    database_us, writers_us = ((after - earlier) / changes * 1e6 for after, earlier in zip(took, before, strict=True))
    return Scale(processes, at_once, sum(rates), database_us, writers_us, kib)


async def _write(url: str, worker: str, at_once: int, seconds: float) -> None:
    store = await asyncio.to_thread(
        open_postgres,
        url,
        clock=SystemClock(),
        limits=UNBOUNDED,
        retry=RetryPolicy(),
        on_commit=lambda _events: None,
    )
    try:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(f"{await transitions(store, at_once, seconds, worker):.1f} per second", flush=True)
        # The processor time of this process is read while it is there.
        await asyncio.to_thread(sys.stdin.readline)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
