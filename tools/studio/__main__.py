"""``python -m tools.studio --out DIR --count N --seed S``: write scenes, their masks and ``manifest.csv``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tools.studio.files import jobs, named, write_all
from tools.studio.recipes import CLASSES


def main(arguments: list[str]) -> None:
    """Write the scenes with all cores."""
    parser = argparse.ArgumentParser(prog="python -m tools.studio", description="Generate photos with exact masks.")
    parser.add_argument("--out", type=Path, required=True, help="folder for photos, masks and manifest.csv")
    parser.add_argument("--count", type=int, default=4, help="scenes of each class")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files")
    parser.add_argument("--side", type=int, default=900, help="longer side of each photo in pixels")
    parser.add_argument("--kinds", default=",".join(CLASSES), help="classes, separated by commas (default: all)")
    parser.add_argument("--scenes", help="these scenes instead, as CLASS:SEED separated by commas")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    wanted = named(options.scenes) if options.scenes else jobs(options.kinds.split(","), options.count, options.seed)
    if unknown := {kind for kind, _ in wanted} - set(CLASSES):
        raise SystemExit(f"unknown class {', '.join(sorted(unknown))}; the classes are {', '.join(CLASSES)}")
    written = write_all(wanted, out=options.out, side=options.side, processes=options.processes)
    rows = list(track(written, "drawing", len(wanted), console=Console(stderr=True)))
    print(f"{len(rows)} scenes: {options.out / 'manifest.csv'}")


if __name__ == "__main__":
    main(sys.argv[1:])
