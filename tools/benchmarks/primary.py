"""`python -m tools.benchmarks.primary`: throughput of several processes on one PostgreSQL, for docs/operations.md.

The server waits for the disk, as in production. Users are independent; the head of the log is shared by all.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import psycopg

from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import TaskStore
from generator_service.store.postgres import open_postgres
from tests.support.postgres import PostgresServer, postgres_server
from tools.benchmarks.store import LEASE, RESULT, UNBOUNDED, new_task

SECONDS = 4.0
TRANSITIONS = 3


def open_store(url: str) -> TaskStore:
    """Open the database as one of many processes."""
    return open_postgres(url, clock=SystemClock(), limits=UNBOUNDED, retry=RetryPolicy(), on_commit=lambda _: None)


async def work(url: str, name: str, batch: int) -> float:
    """Process tasks from submission to completion, this many at once; return transitions a second."""
    store = await asyncio.to_thread(open_store, url)
    await asyncio.to_thread(sys.stdin.readline)  # All start together.
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < SECONDS:
        await asyncio.gather(*(store.enqueue(new_task(f"{name}-{number}")) for number in range(batch)))
        claimed = await store.claim(name, limit=batch, lease_for=LEASE)
        await asyncio.gather(*(store.complete(task.lease, RESULT) for task in claimed))
        done += batch + 2 * len(claimed)
    await store.close()
    return done / took


def rate(server: PostgresServer, processes: int, batch: int) -> tuple[float, float]:
    """Return the transitions a second of this many processes together, and the KiB on disk per task with its events."""
    database = server.create()
    url = server.url(database)
    asyncio.run(open_store(url).close())
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tools.benchmarks.primary", url, f"process-{number}", str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    # The store is open once its connection is listed.
    with psycopg.connect(url, autocommit=True) as connection:
        seen = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'whitebg'"
        )
        while (connection.execute(seen).fetchone() or (0,))[0] < processes:
            time.sleep(0.05)
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        total = sum(float(child.communicate(timeout=60)[0]) for child in children)
        size = "SELECT pg_database_size(current_database()) / 1024.0 / nullif((SELECT count(*) FROM tasks), 0)"
        per_task = float((connection.execute(size).fetchone() or (0,))[0])
    server.drop(database)
    return total, per_task


def main() -> None:
    """Measure and print, or act as one of the processes."""
    if len(sys.argv) > 1:
        url, name, at_once = sys.argv[1:]
        print(asyncio.run(work(url, name, int(at_once))))
        return
    with postgres_server(durable=True) as server:
        print("processes  tasks at once  transitions/s  KiB a task")
        for processes, batch in ((1, 1), (1, 10), (1, 100), (2, 10), (2, 100), (4, 10), (4, 100)):
            total, per_task = rate(server, processes, batch)
            print(f"{processes:>9}  {batch:>13}  {total:>13.0f}  {per_task:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
