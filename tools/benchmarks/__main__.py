"""`python -m tools.benchmarks`: the figures that matter, beside those of peers, in the same run and in turn.

docs/performance.md explains the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tools.benchmarks import live
from tools.benchmarks.broadcasters import broadcasters
from tools.benchmarks.figures import OURS, Samples, compare, machine, show, summary
from tools.benchmarks.growth import growth
from tools.benchmarks.peers import sqlite_rows_per_second
from tools.benchmarks.queues import queues
from tools.benchmarks.scale import scales
from tools.benchmarks.snapshots import snapshot_times
from tools.benchmarks.sockets import (
    Fanout,
    Idle,
    addresses,
    broadcast,
    driven_service,
    fanout,
    gateway,
    idle,
    ping,
)
from tools.benchmarks.store import transitions_per_second, write_history

HISTORY = 10_000
USUAL = ("queues", "sockets", "store", "live")
"""The parts that are measured unless others are named; `growth` takes a quarter of an hour."""
BATCHES = (1, 10, 100)
SECONDS = 2.0
PACE = 50.0
"""Tasks a second while the wait until their start is measured."""


async def measure_queues(samples: Samples, rounds: int, tasks: int) -> None:
    """Take bursts and paced tasks through our service and the peers, in turn."""
    with queues() as found:
        for queue in found:
            await queue.run(100, 0)  # The first tasks have costs that later ones don't have.
        for _ in range(rounds):
            for queue in found:
                named = {"system": queue.name, "durability": queue.durability}
                burst = await queue.run(tasks, 0)
                rate = burst.tasks / burst.seconds
                samples.add(rate, what="burst, done", unit="tasks/s", more_is_better=True, **named)
                cpu = burst.cpu_seconds / burst.tasks * 1e3
                samples.add(cpu, what="burst, processor time of workers and store", unit="ms/task", **named)
                if queue.bursts_only:
                    continue
                delays = sorted((await queue.run(100, PACE)).delays_ms)
                samples.add(statistics.median(delays), what=f"submit → start at {PACE:g}/s, p50", unit="ms", **named)
                late = delays[int(len(delays) * 0.99)]
                samples.add(late, what=f"submit → start at {PACE:g}/s, p99", unit="ms", **named)


async def measure_sockets(samples: Samples, folder: Path, rounds: int, sockets: int) -> None:
    """Open idle sockets at the gateway and at bare broadcasters, and send messages to many users, in turn."""
    load: dict[str, Any] = {"users": 200, "per_second": 400.0, "seconds": SECONDS}
    for number in range(rounds):
        data_dir = folder / f"sockets-{number}"
        with driven_service(data_dir) as service, gateway(service) as (process, url):
            idle_ones = await idle(process, addresses(url, sockets), ping)
            sent = await fanout(service, process, url, **load)
        samples.add(sent.service_us, what="processor time of a message, service with store", unit="µs", system=OURS)
        _add_sockets(samples, OURS, idle_ones, sent)
        for start in broadcasters():
            home = Path(tempfile.mkdtemp(dir=folder))
            with start(home) as peer:
                idle_ones = await idle(
                    peer.server, [peer.address(f"user-{each}") for each in range(sockets)], peer.greet
                )
                sent = await broadcast(peer, **load)
            _add_sockets(samples, peer.name, idle_ones, sent)


def _add_sockets(samples: Samples, system: str, idle_ones: Idle, sent: Fanout) -> None:
    samples.add(idle_ones.kib_each, what="memory of an idle socket", unit="KiB", system=system)
    samples.add(idle_ones.cpu_ms_each, what="processor time of a handshake", unit="ms", system=system)
    samples.add(sent.gateway_us, what="processor time of a message, at the socket's end", unit="µs", system=system)
    for what, value in (("p50", statistics.median(sent.delays_ms)), ("p99", quantile_99(sent.delays_ms))):
        samples.add(value, what=f"change → frame at 400/s to 200 users, {what}", unit="ms", system=system)


async def measure_store(samples: Samples, folder: Path, rounds: int) -> None:
    """Write transitions beside bare rows, and read snapshots."""
    for number in range(rounds):
        for batch in BATCHES:
            rate = await transitions_per_second(folder / f"store-{number}-{batch}.db", batch, SECONDS)
            what: dict[str, Any] = {
                "what": f"changes, {batch} in a commit",
                "unit": "per second",
                "more_is_better": True,
            }
            samples.add(rate, system="whitebg, store alone", durability="each commit is synced", **what)
            bare = sqlite_rows_per_second(folder, batch, SECONDS)
            samples.add(bare, system="sqlite3, one row each", durability="each commit is synced", **what)
            (folder / f"peer-{batch}.db").unlink()
    for first, whole in await snapshot_times(folder / "snapshots", HISTORY, rounds):
        samples.add(first, what="snapshot of 10,000 tasks, first task", unit="ms", system="whitebg")
        samples.add(whole, what="snapshot of 10,000 tasks, all", unit="ms", system="whitebg")


async def measure_live(samples: Samples, folder: Path, rounds: int) -> None:
    """Follow single tasks through the processes that `whitebg up` starts, and replay a log."""
    data_dir = folder / "up"
    data_dir.mkdir()
    with live.whitebg_up(data_dir):
        pass  # Binds the new folder of images: one without images is not accepted for a database with tasks.
    await write_history(data_dir / "whitebg.db", "bench-replay", HISTORY)
    with live.whitebg_up(data_dir) as endpoints:
        for _ in range(rounds):
            chain = await live.follow_tasks(endpoints, 20)
            frames = statistics.median(chain.change_to_frame)
            samples.add(frames, what="one task: change → frame, p50", unit="ms", system="whitebg")
            replayed = await live.replayed_per_second(endpoints, "bench-replay", HISTORY)
            bare = await live.bare_stream_per_second(HISTORY)
            what: dict[str, Any] = {"what": "events replayed", "unit": "per second", "more_is_better": True}
            samples.add(replayed, system="whitebg, from the log", **what)
            samples.add(bare, system="grpc.aio, bare messages", **what)


async def measure_scale(samples: Samples, rounds: int) -> None:
    """Write to one PostgreSQL from several processes."""
    for _ in range(rounds):
        for each in await asyncio.to_thread(lambda: [*scales(SECONDS)]):
            system = f"whitebg, PostgreSQL, writers: {each.processes}, tasks at once: {each.at_once}"
            samples.add(each.per_second, what="changes", unit="per second", system=system)
            samples.add(each.database_us, what="processor time of a change, PostgreSQL", unit="µs", system=system)
            samples.add(each.writers_us, what="processor time of a change, its writer", unit="µs", system=system)
            samples.add(each.kib_a_task, what="database of a task with its events", unit="KiB", system=system)


async def measure_growth(samples: Samples, folder: Path, sizes: tuple[int, ...]) -> None:
    """Use a database that grows."""
    for each in await growth(folder, sizes):
        system = f"whitebg, SQLite, {each.tasks:,} tasks"
        samples.add(each.started_s, what="start of the service", unit="s", system=system)
        samples.add(each.list_ms, what="first page of a list, p50", unit="ms", system=system)
        samples.add(each.submit_ms, what="submission, p50", unit="ms", system=system)
        samples.add(each.start_ms, what="submit → start at 10/s, p50", unit="ms", system=system)


def quantile_99(values: list[float]) -> float:
    """Return the value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100)[98]


async def main(arguments: argparse.Namespace, folder: Path) -> int:
    """Measure all parts, and show what was measured, even if one failed or Ctrl-C ended it; return the exit status."""
    before, samples, rounds = machine(), Samples(), arguments.rounds
    parts: dict[str, Callable[[], Awaitable[None]]] = {
        "queues": lambda: measure_queues(samples, rounds, arguments.tasks),
        "sockets": lambda: measure_sockets(samples, folder, rounds, arguments.sockets),
        "store": lambda: measure_store(samples, folder, rounds),
        "live": lambda: measure_live(samples, folder, rounds),
        "scale": lambda: measure_scale(samples, rounds),
        "growth": lambda: measure_growth(samples, folder, tuple(arguments.sizes)),
    }
    failed = False
    try:
        for name in arguments.only or USUAL:
            try:
                await parts[name]()
            except Exception:  # noqa: BLE001 (an hour's other figures are not lost with it)
                traceback.print_exc()
                failed = True
    finally:
        # Also when it is interrupted.
        show(samples.sorted, before)
        if arguments.save is not None:
            arguments.save.write_text(json.dumps(summary(samples.sorted, before), indent=1, ensure_ascii=False) + "\n")
    worse = arguments.compare is not None and not compare(samples.sorted, arguments.compare)
    return 1 if failed or worse else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each figure; the median is shown")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of a burst")
    parser.add_argument("--sockets", type=int, default=1000, help="idle sockets")
    parser.add_argument("--only", nargs="+", choices=(*USUAL, "scale", "growth"), help="only these parts")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[1_000, 1_000_000], help="tasks in the database of the part growth"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the figures to this file, as JSON")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="fail if a ratio is worse than in a saved run")
    return parser.parse_args()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="whitebg-bench-") as scratch:
        sys.exit(asyncio.run(main(read_arguments(), Path(scratch))))
