"""`python -m tools.crowd`: thousands of sockets on one gateway. docs/performance.md has the figures."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tools.crowd.stalled import Round, compare
from tools.crowd.storm import storm


async def main(arguments: argparse.Namespace, folder: Path) -> int:
    """Measure both parts and print the figures; return the exit status."""
    ok = True
    if arguments.busy:
        rounds = await compare(folder, idle=arguments.idle, busy=arguments.busy, seconds=arguments.seconds)
        ok = _report_stalled(rounds, arguments)
    if arguments.storm:
        home = folder / "storm"
        await asyncio.to_thread(home.mkdir)
        seen = await storm(home, arguments.storm)
        delays = seen.delays_ms
        in_sync = all(client.seqs == [2] for client in seen.clients)
        attempts = sum(client.attempts for client in seen.clients) / len(seen.clients)
        print(
            f"storm: {arguments.storm:,} clients, asked to return after {delays[0]:,} to {delays[-1]:,} ms, were in "
            f"sync {seen.returned_s:.1f} s after the return of the gateway, with {attempts:.2f} attempts each; the "
            f"service read {seen.reads['memory']:.0f} times from memory, {seen.reads['database']:.0f} from the database"
        )
        ok = ok and in_sync and seen.reads["database"] <= 1
    return 0 if ok else 1


def _report_stalled(rounds: list[Round], arguments: argparse.Namespace) -> bool:
    print(
        f"{arguments.idle:,} idle and {arguments.busy:,} busy sockets on one gateway, {rounds[0].kib_each:.1f} KiB each"
    )
    for each in rounds:
        print(
            f"{each.stalled:>3} stalled: change → frame of the others p50 {each.p50_ms:.1f}, p99 {each.p99_ms:.1f} ms; "
            f"{each.frames:,} frames, {each.missing} missing; {each.dropped} stalled clients dropped; "
            f"gateway {each.gateway_cores:.0%}, service {each.service_cores:.0%} of a core"
        )
    return not any(each.missing for each in rounds)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.crowd")
    parser.add_argument("--idle", type=int, default=10_000, help="sockets whose users have no tasks")
    parser.add_argument("--busy", type=int, default=5_000, help="sockets of users with changes; 0 skips this part")
    parser.add_argument("--seconds", type=float, default=75.0, help="length of a round; there are four")
    parser.add_argument("--storm", type=int, default=5_000, help="clients that lose their gateway; 0 skips this part")
    return parser.parse_args()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="whitebg-crowd-") as scratch:
        sys.exit(asyncio.run(main(read_arguments(), Path(scratch))))
