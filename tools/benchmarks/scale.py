"""How many changes a second one PostgreSQL takes from several processes: where the head of the log is the limit.

`python -m tools.benchmarks.scale URL WORKER BATCH SECONDS` is one of the processes: it writes a line once it is ready,
begins at a line of its standard input, and prints the transitions per second.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.postgres import open_postgres
from tests.support.postgres import postgres_server
from tests.support.processes import Program, program
from tools.benchmarks.cpu import cpu_seconds
from tools.benchmarks.store import UNBOUNDED, transitions

PROCESSES = (1, 2, 4, 8)
BATCH = 10
"""Tasks that each process moves at once: its commits hold about as many changes."""


@dataclass(frozen=True)
class Scale:
    """What so many processes wrote together."""

    processes: int
    per_second: float
    database_us: float
    """Processor time of PostgreSQL for each change."""
    writers_us: float
    """Processor time of the writing processes for each change."""


async def scales(seconds: float) -> list[Scale]:
    """Measure one process, two, and so on, each on a new database."""
    return await asyncio.to_thread(lambda: [_measure(count, seconds) for count in PROCESSES])


def _measure(processes: int, seconds: float) -> Scale:
    with postgres_server(durable=True) as server, ExitStack() as stack:
        url = server.url(server.create())
        writers = [stack.enter_context(_writer(url, number, seconds)) for number in range(processes)]
        for writer in writers:
            writer.wait_for("ready", within=60)
        before = cpu_seconds(server.process.pid), sum(cpu_seconds(each.pid) for each in writers)
        for writer in writers:
            writer.send_line("begin")
        rates = [float(writer.wait_for("per second", within=seconds + 60).split()[0]) for writer in writers]
        changes = sum(rates) * seconds
        database = cpu_seconds(server.process.pid) - before[0]
        own = sum(cpu_seconds(each.pid) for each in writers) - before[1]
    return Scale(processes, sum(rates), database / changes * 1e6, own / changes * 1e6)


def _writer(url: str, number: int, seconds: float) -> AbstractContextManager[Program]:
    return program([sys.executable, "-m", "tools.benchmarks.scale", url, f"writer-{number}", str(BATCH), str(seconds)])


async def _write(url: str, worker: str, batch: int, seconds: float) -> None:
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
        print(f"{await transitions(store, batch, seconds, worker):.1f} per second", flush=True)
        # The processor time of this process is read while it is there.
        await asyncio.to_thread(sys.stdin.readline)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
