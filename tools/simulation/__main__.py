"""``python -m tools.simulation --schedules 1000000 --seed 1``: `make simulate`, on all cores.

Most schedules run the pure parts, session and client; one in 50 the revocations, one in 100 the feeds, and one in 1,000
the store on SQLite. A
seed that fails is printed with its shortest schedule, which can be pasted into a test.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tools.simulation.client import ClientWorld
from tools.simulation.feed import FeedWorld
from tools.simulation.revocation import RevocationWorld
from tools.simulation.schedule import World, search
from tools.simulation.session import SessionWorld
from tools.simulation.store import StoreWorld

CHUNK = 2000
"""Schedules that one process runs at a time."""
MEMORY = Path("/dev/shm")  # noqa: S108 (a fresh folder within it)
"""Where databases are stored, if it exists: they need not survive anything."""
WORLDS: dict[str, tuple[Callable[[Path], World], int]] = {
    "session": (lambda _: SessionWorld(), 2),
    "client": (lambda _: ClientWorld(), 2),
    "revocation": (lambda _: RevocationWorld(), 50),
    "feed": (lambda _: FeedWorld(), 100),
    "store": (StoreWorld, 1000),
}
"""How each world is made, and one of how many schedules it runs."""


def main() -> int:
    """Run the schedules asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulation")
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--only", choices=WORLDS, help="one world instead of all")
    chosen = parser.parse_args()
    failed = False
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in [chosen.only] if chosen.only else WORLDS:
            schedules = chosen.schedules if chosen.only else max(1, chosen.schedules // WORLDS[name][1])
            began = time.monotonic()
            starts = range(chosen.seed, chosen.seed + schedules, CHUNK)
            last = chosen.seed + schedules
            found = [text for text in pool.map(partial(run_chunk, name, last), starts) if text]
            took = time.monotonic() - began
            print(f"{name}: {schedules} schedules in {took:.1f} s, {len(found)} broke a guarantee", flush=True)
            for text in found:
                print(text)
            failed |= bool(found)
    return 1 if failed else 0


def run_chunk(name: str, last: int, first: int) -> str:
    """Run the seeds of one chunk; return the first failure as text, or nothing."""
    logging.getLogger("generator_service").setLevel(logging.ERROR)  # The schedules provoke its warnings.
    with tempfile.TemporaryDirectory(prefix="whitebg-simulation-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        found = search(WORLDS[name][0](Path(folder)), first=first, schedules=min(CHUNK, last - first))
    return "" if found is None else str(found)


if __name__ == "__main__":
    raise SystemExit(main())
