"""``python -m tools.fuzz TARGET --count N --seed S``: `make fuzz`.

Targets: ``images`` for the engine's processes; ``settings`` for the variables of both processes; ``grpc``, ``http``
and ``websocket`` for the real service and gateway.
Each finding is stored in ``fuzz-out/``, and the exit status is then 1. To replay a stored case of the servers:
``--replay FILE``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.support.postgres import postgres_server
from tools.fuzz.cases import read_corpus
from tools.fuzz.images import fuzz_images
from tools.fuzz.run import CASES, Findings, fuzz_servers, try_case
from tools.fuzz.servers import running_servers
from tools.fuzz.settings import fuzz_settings


def main() -> int:
    """Run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("target", choices=("images", "settings", *CASES, "all"), help="what to test")
    parser.add_argument("--count", type=int, default=10_000, help="number of inputs of each target")
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses other inputs")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="the service's database")
    parser.add_argument("--replay", type=Path, help="send the cases of this file instead")
    chosen = parser.parse_args()
    faults = 0
    if chosen.target in {"images", "all"} and chosen.replay is None:
        faults += fuzz_images(chosen.count, chosen.seed)
    if chosen.target in {"settings", "all"} and chosen.replay is None:
        faults += fuzz_settings(chosen.count, chosen.seed)
    targets = [name for name in CASES if chosen.target in {name, "all"}]
    if targets:
        faults += _fuzz(targets, chosen)
    return 1 if faults else 0


def _fuzz(targets: list[str], chosen: argparse.Namespace) -> int:
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="whitebg-fuzz-")))
        more = {}
        if chosen.store == "postgres":
            server = resources.enter_context(postgres_server())
            more["database_url"] = server.url(server.create())
        servers = resources.enter_context(running_servers(folder / "data", **more))
        if chosen.replay is None:
            return sum(
                len(fuzz_servers(servers, target, count=chosen.count, number=chosen.seed).faults) for target in targets
            )
        findings = Findings()
        for _, case in read_corpus(chosen.replay):
            try_case(servers, case, findings)
        servers.require_service()
        return len(findings.faults)


if __name__ == "__main__":
    sys.exit(main())
