"""``python -m tools.chaos --seed 1 --seeds 20 --seconds 60 --store sqlite``: `make chaos`.

Each seed is a run of its own. A seed that breaks a guarantee prints its violations and its schedule, and its history is
kept in ``chaos-out/``; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tools.chaos.run import run

OUT = Path("chaos-out")


def main() -> int:
    """Run the seeds named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds for each store")
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the faults of one seed")
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both")
    chosen = parser.parse_args()
    stores = ("sqlite", "postgres") if chosen.store == "both" else (chosen.store,)
    failed = False
    for store in stores:
        for seed in range(chosen.seed, chosen.seed + chosen.seeds):
            failed |= not _run(store, seed, chosen.seconds)
    return 1 if failed else 0


def _run(store: str, seed: int, seconds: float) -> bool:
    """Run one seed; return whether every guarantee held."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="whitebg-chaos-") as folder:
        outcome = asyncio.run(run(seed=seed, seconds=seconds, postgres=store == "postgres", folder=Path(folder)))
        took = time.monotonic() - began
        print(f"{store}, seed {seed}, {len(outcome.schedule)} faults, {took:.0f} s: {outcome.verdict}", flush=True)
        if not outcome.verdict.violations:
            return True
        OUT.mkdir(exist_ok=True)
        kept = OUT / f"{store}-{seed}.jsonl"
        shutil.copy(outcome.history, kept)
    print("schedule:\n" + "\n".join(f"  {step}" for step in outcome.schedule))
    print(f"history: {kept}; check it again: {Path(sys.executable).name} -m tools.checker {kept}")
    again = f"CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g} CHAOS_STORE={store}"
    print(f"again: make chaos {again}", flush=True)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
