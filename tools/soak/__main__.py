"""``python -m tools.soak --seconds 600 --rate 20``: `make soak`.

Prints a table of what service and gateway hold; the exit status is 1 if anything grows under steady load.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.api import SECRET, open_channel
from tests.support.processes import ServiceProcess
from tools.benchmarks.cpu import resident_kib, tree
from tools.benchmarks.sockets import gateway
from tools.benchmarks.work import SETTINGS as BUSY
from tools.soak.growth import growth
from tools.soak.load import Load
from tools.soak.service import RING, SETTINGS

COUNTS = {"tasks": "SELECT count(*) FROM tasks", "events": "SELECT count(*) FROM events"}
EVERY = 5.0
"""Seconds between two samples."""
ALLOWED = {
    "memory": (0.03, 3 * 1024.0),
    "descriptors": (0.02, 8.0),
    "threads": (0.0, 2.0),
    "rows": (0.05, 100.0),
    "folder": (0.05, 4096.0),
}
"""Growth by kind of quantity: as a share, and in its unit (KiB of memory and of folders). The larger one counts."""


def sample(pids: dict[str, int], data_dir: Path) -> dict[tuple[str, str], float]:
    """Return what processes and the data folder hold now, by name and kind."""
    found: dict[tuple[str, str], float] = {}
    for name, pid in pids.items():
        own = [Path(f"/proc/{each}") for each in tree(pid)]
        found[name, "memory"] = resident_kib(pid)
        found[name, "descriptors"] = sum(len(list((each / "fd").iterdir())) for each in own)
        found[name, "threads"] = sum(len(list((each / "task").iterdir())) for each in own)
    with closing(sqlite3.connect(f"file:{data_dir / 'whitebg.db'}?mode=ro", uri=True)) as database:
        for table, statement in COUNTS.items():
            (found[table, "rows"],) = database.execute(statement).fetchone()
    sizes = [path.stat().st_size for path in data_dir.rglob("*") if path.is_file()]
    found["data", "folder"] = sum(sizes) / 1024
    return found


async def soak(seconds: float, rate: float, console: Console) -> bool:
    """Run the load; return whether nothing has grown."""
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="whitebg-soak-") as folder:
        data_dir = Path(folder) / "data"
        service = ServiceProcess(data_dir, SECRET, module="tools.soak.service", **BUSY | SETTINGS)
        try:
            with gateway(service, **RING) as (front, url):
                async with open_channel(service.target) as channel:
                    load = Load(channel, url, per_second=rate)
                    running = asyncio.create_task(load.run())
                    pids = {"service": service.pid, "gateway": front.pid}
                    for _ in range(round(seconds / EVERY)):
                        done, _pending = await asyncio.wait({running}, timeout=EVERY)
                        if done:
                            running.result()
                        for what, value in (await asyncio.to_thread(sample, pids, data_dir)).items():
                            taken[what].append(value)
                    running.cancel()
                    await asyncio.wait({running})
        finally:
            service.close()
    console.print(f"{load.submitted} tasks, {load.connected} sockets opened, {seconds:.0f} s")
    return report(taken, console)


def report(taken: dict[tuple[str, str], list[float]], console: Console) -> bool:
    """Print how each quantity developed; return whether none has grown."""
    table = Table("what", "kind", "after the warm-up", "at the end", "")
    flat = True
    for (name, kind), samples in taken.items():
        share, slack = ALLOWED[kind]
        found = growth(samples)
        fine = found.within(share=share, slack=slack)
        flat &= fine
        table.add_row(name, kind, f"{found.before:,.0f}", f"{found.after:,.0f}", "flat" if fine else "GROWS")
    console.print(table)
    return flat


def main() -> int:
    """Run a soak; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=20.0, help="tasks a second")
    chosen = parser.parse_args()
    return 0 if asyncio.run(soak(chosen.seconds, chosen.rate, Console())) else 1


if __name__ == "__main__":
    raise SystemExit(main())
