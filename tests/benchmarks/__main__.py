"""`python -m tests.benchmarks`: within a minute or so, the figures that matter, beside those of bare peers."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.benchmarks import live
from tests.benchmarks.figures import Latency, Rate, show
from tests.benchmarks.peers import sqlite_rows_per_second
from tests.benchmarks.store import transitions_per_second, write_history

TASKS = 100
HISTORY = 10_000
BATCHES = (1, 10, 100)
SECONDS = 2.0


async def store_rates(folder: Path) -> list[Rate]:
    """Measure the store beside a bare SQLite table, at the same number of changes per commit."""
    return [
        Rate(
            f"transitions of the store, {batch} at once",
            await transitions_per_second(folder / f"store-{batch}.db", batch, SECONDS),
            f"sqlite3 rows, {batch} per commit",
            sqlite_rows_per_second(folder, batch, SECONDS),
        )
        for batch in BATCHES
    ]


async def main(folder: Path) -> None:
    """Measure everything, one after the other, and show it."""
    rates = await store_rates(folder)
    data_dir = folder / "up"
    data_dir.mkdir()
    await write_history(data_dir / "whitebg.db", "bench-replay", HISTORY)
    with live.whitebg_up(data_dir) as endpoints:
        chain = await live.follow_tasks(endpoints, TASKS)
        replayed = await live.replayed_per_second(endpoints, "bench-replay", HISTORY)
    rates.append(
        Rate("events through WatchTasks", replayed, "grpc.aio messages", await live.bare_stream_per_second(HISTORY))
    )
    latencies = [
        Latency("state change → WebSocket frame", chain.change_to_frame, 5.0),
        Latency("submit → engine start", chain.submit_to_start, 10.0),
        Latency("submit → first word of the engine", chain.submit_to_engine),
        Latency("peer: bare WebSocket echo, there and back", await live.bare_echo(1000)),
    ]
    show(latencies, rates)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="whitebg-bench-") as scratch:
        asyncio.run(main(Path(scratch)))
