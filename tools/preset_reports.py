"""Make every preset's picture of every plain photo, and check its compliance report.

``python tools/preset_reports.py DIR``; ``DIR/manifest.csv`` lists the photos in its column ``file``. Prints a table of
failed checks, and one JSON object as the last line. The exit code is 1 if any report failed.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from generator_service.domain.errors import ImageRejected
from generator_service.domain.presets import PRESETS, resolve
from generator_service.domain.report import Report, Verdict
from generator_service.domain.task_options import Shadow, TaskOptions
from generator_service.imaging.cutting.cutout import find_outline, full_alpha
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.render import finish
from generator_service.imaging.source.decode import decode


def photos(folder: Path) -> list[Path]:
    """Read the paths of the photos."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        return [folder / row["file"] for row in csv.DictReader(lines)]


def reports(photo: Path) -> Iterator[tuple[str, Report]]:
    """Yield each preset's report, without and with a shadow; nothing where the photo is not plain."""
    decoded = decode(photo.read_bytes())
    try:
        outline = find_outline(decoded, prior=own_network())
    except ImageRejected:
        return
    if outline.coarse is not None and not outline.coarse.backdrop.plain:
        return
    alpha = full_alpha(decoded, outline)
    for preset in PRESETS:
        for shadow in Shadow:
            spec = resolve(TaskOptions(preset=preset, shadow=shadow))
            made = finish(decoded, outline, alpha, spec, lambda _percent, _stage: None)
            yield f"{preset}{'' if shadow is Shadow.NONE else ', shadow'}", made.report


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table("photo", "preset", "check", "verdict", "value", "limit")
    count: Counter[str] = Counter()
    for photo in track(photos(arguments.folder), "measuring", console=Console(stderr=True)):
        found = list(reports(photo))
        count["plain" if found else "cluttered"] += 1
        for preset, report in found:
            count["pictures"] += 1
            count["failed"] += not report.passed
            for check in report.checks:
                if check.verdict is not Verdict.PASSED:
                    count[f"{check.verdict.value}: {check.name}"] += 1
                    table.add_row(photo.name, preset, check.name, check.verdict, f"{check.value}", check.limit)
    Console(width=140).print(table)
    sys.stdout.write(json.dumps(dict(sorted(count.items()))) + "\n")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
