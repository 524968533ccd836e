"""Writes scenes as files: photos, masks and their manifest."""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2

from tools.studio.scenes import scene

COLUMNS = ("file", "mask", "kind", "findings", "licence", "w", "h")
Job = tuple[str, int]
"""A class and a seed."""


def jobs(kinds: list[str], count: int, seed: int) -> list[Job]:
    """Return ``count`` scenes of each class; scene ``index`` is the same whatever the count."""
    return [(kind, seed * 100_000 + index) for index in range(count) for kind in kinds]


def named(scenes: str) -> list[Job]:
    """Return the scenes of a list such as ``ring:3,label:14``.

    Raises:
        SystemExit: it isn't such a list.

    """
    pairs = [name.partition(":") for name in scenes.split(",")]
    if wrong := [kind + colon + seed for kind, colon, seed in pairs if not seed.isdecimal()]:
        raise SystemExit(f"{', '.join(wrong)} should be CLASS:SEED, such as ring:3")
    return [(kind, int(seed)) for kind, _, seed in pairs]


def write(job: Job, *, out: Path, side: int) -> dict[str, str | int]:
    """Write a scene's photo and mask below ``out``; return its row of the manifest."""
    cv2.setNumThreads(1)
    kind, seed = job
    made = scene(kind, seed, side=side)
    photo, mask = Path("photos") / f"{kind}-{seed}{made.suffix}", Path("masks") / f"{kind}-{seed}.png"
    (out / photo).write_bytes(made.photo)
    cv2.imwrite(str(out / mask), made.alpha)
    height, width = made.alpha.shape
    values = (str(photo), str(mask), kind, " ".join(made.findings), "CC0-1.0", width, height)
    return dict(zip(COLUMNS, values, strict=True))


def write_all(wanted: Sequence[Job], *, out: Path, side: int, processes: int) -> Iterator[dict[str, str | int]]:
    """Write scenes by several processes; yield the manifest's rows in order, then write the manifest."""
    for folder in ("photos", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    with ProcessPoolExecutor(processes, multiprocessing.get_context("forkserver")) as pool:
        for row in pool.map(partial(write, out=out, side=side), wanted, chunksize=4):
            rows.append(row)
            yield row
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, COLUMNS)
        table.writeheader()
        table.writerows(rows)
