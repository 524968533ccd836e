"""Measure the local engine on a folder of photos: ``python tools/quality.py DIR [--out DIR]``.

``DIR/manifest.csv`` names the photos: columns ``file``, ``mask`` (empty where there is none) and ``kind``; other
columns are ignored. Prints a table and, as the last line, one JSON object; writes ``contact-sheet.png``.

Each photo is done in a process of its own, one after the other, on one core: so the peak memory is that photo's.
The JSON has under ``kinds`` the figures of each kind, and under ``backdrops`` those of the photos that the engine
takes for plain and for cluttered, kinds whose name begins with ``synth`` left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import resource
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track
from rich.table import Table

from generator_service.domain.errors import ImageRejected
from generator_service.domain.presets import resolve
from generator_service.domain.task import TaskOptions
from generator_service.imaging.calibration import TRUSTED
from generator_service.imaging.cutout import find_outline, full_alpha
from generator_service.imaging.decode import decode
from generator_service.imaging.inspect import inspect_photo
from generator_service.imaging.render import finish

GOOD_IOU = 0.9
CELL = 240
TABLE_WIDTH = 120
CELLS_PER_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the manifest."""

    photo: Path
    mask: Path | None
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one photo fared; IoU and mean absolute error are None where there is no mask to compare with."""

    kind: str
    plain: bool
    """Whether the engine takes the backdrop for a plain one."""
    accepted: bool
    """Whether the engine trusts the result enough for it to go out unseen."""
    iou: float | None
    mae: float | None
    seconds_per_megapixel: float
    peak_mib: float
    """The most memory that the process had while it worked on the photo."""


def read_manifest(folder: Path) -> list[Entry]:
    """Read ``manifest.csv``.

    Raises:
        SystemExit: it is missing, or lacks a column.

    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SystemExit(f"{manifest} does not exist; it should list the photos in columns file, mask and kind")
    with manifest.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if missing := {"file", "mask", "kind"} - set(reader.fieldnames or ()):
            raise SystemExit(f"{manifest} lacks the column {', '.join(sorted(missing))}")
        return [
            Entry(photo=folder / row["file"], mask=folder / row["mask"] if row["mask"] else None, kind=row["kind"])
            for row in reader
        ]


def measure(entry: Entry) -> tuple[Score, Image.Image]:
    """Run the engine on one photo; return how it fared and a picture of before and after."""
    data = entry.photo.read_bytes()
    header = inspect_photo(data)
    cv2.setNumThreads(1)  # As in the service's worker processes.
    began = time.perf_counter()
    photo = decode(data)
    plain = accepted = False
    try:
        # The two halves of `render`, for the alpha between them.
        outline = find_outline(photo)
        alpha = full_alpha(photo, outline)
        result = finish(photo, outline, alpha, resolve(TaskOptions()), lambda _percent, _stage: None)
    except ImageRejected as refusal:
        after, note = None, refusal.code
        alpha = np.zeros(photo.rgb.shape[:2], np.uint8)
    else:
        plain = outline.coarse is None or outline.coarse.backdrop.plain
        accepted = outline.confidence >= TRUSTED
        after, note = Image.open(BytesIO(result.data)), f"confidence {result.confidence:.2f}"
    seconds = time.perf_counter() - began
    iou, mae = compare(alpha, _truth(entry.mask, alpha.shape)) if entry.mask else (None, None)
    score = Score(
        kind=entry.kind,
        plain=plain,
        accepted=accepted,
        iou=iou,
        mae=mae,
        seconds_per_megapixel=seconds / (header.width * header.height / 1e6),
        peak_mib=peak_mib(),
    )
    caption = f"{entry.photo.stem[:20]}  {'' if iou is None else f'IoU {iou:.3f}, '}{note}"
    return score, _cell(Image.fromarray(photo.rgb), after, caption)


def peak_mib() -> float:
    """Return the most memory, in MiB, that this process has had at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _truth(mask: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    truth: NDArray[np.uint8] = np.asarray(Image.open(mask).convert("L"))
    if truth.shape != shape:
        raise SystemExit(f"{mask} has {truth.shape[::-1]} pixels, its photo {shape[::-1]}; they must be the same")
    return truth


def compare(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> tuple[float, float]:
    """Return IoU (both sides cut at a half) and mean absolute error of an alpha of the same size, 0 to 1."""
    found, wanted = alpha > 127, truth > 127
    union = np.count_nonzero(found | wanted)
    iou = float(np.count_nonzero(found & wanted) / union) if union else 1.0
    return iou, float(np.mean(cv2.absdiff(alpha, truth))) / 255.0


def _cell(before: Image.Image, after: Image.Image | None, caption: str) -> Image.Image:
    cell = Image.new("RGB", (2 * CELL, CELL + 14), (128, 128, 128))
    for column, picture in enumerate((before, after)):
        if picture is not None:
            small = picture.convert("RGB")
            small.thumbnail((CELL - 4, CELL - 4))
            cell.paste(small, (column * CELL, 0))
    ImageDraw.Draw(cell).text((2, CELL), caption, fill=(255, 255, 255))
    return cell


def contact_sheet(cells: list[Image.Image]) -> Image.Image:
    """Lay the cells out in rows."""
    width, height = cells[0].size
    rows = -(-len(cells) // CELLS_PER_ROW)
    sheet = Image.new("RGB", (width * min(CELLS_PER_ROW, len(cells)), height * rows), (64, 64, 64))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % CELLS_PER_ROW * width, index // CELLS_PER_ROW * height))
    return sheet


def share_good(ious: list[float]) -> float:
    """Return the share, 0 to 1, of the results that are good."""
    return sum(iou >= GOOD_IOU for iou in ious) / len(ious)


def summarise(scores: list[Score]) -> dict[str, float | int | None]:
    """Sum up some photos; rounded. Of photos without a mask, only what needs none."""
    ious = [score.iou for score in scores if score.iou is not None]
    maes = [score.mae for score in scores if score.mae is not None]
    accepted = [score.iou for score in scores if score.iou is not None and score.accepted]
    return {
        "n": len(scores),
        "iou_mean": round(mean(ious), 4) if ious else None,
        "iou_median": round(median(ious), 4) if ious else None,
        "share_good": round(share_good(ious), 4) if ious else None,
        "mae": round(mean(maes), 4) if maes else None,
        "s_per_mp": round(mean(score.seconds_per_megapixel for score in scores), 3),
        "peak_mib": round(max(score.peak_mib for score in scores)),
        "accept_rate": round(mean(score.accepted for score in scores), 4),
        "accept_precision": round(share_good(accepted), 4) if accepted else None,
    }


def print_table(console: Console, groups: dict[str, dict[str, float | int | None]]) -> None:
    """Print one line per group of photos."""
    table = Table(
        *("photos", "n", "IoU mean", "IoU median", f"IoU ≥ {GOOD_IOU}", "MAE", "s/MP", "peak MiB"),
        *("trusted", "of those good"),
    )
    for name, figures in groups.items():
        table.add_row(name, *("–" if figure is None else f"{figure:g}" for figure in figures.values()))
    console.print(table)


def main(arguments: list[str]) -> None:
    """Measure, print, and write the contact sheet."""
    parser = argparse.ArgumentParser(description="Measure the local engine on a folder of photos.")
    parser.add_argument("photos", type=Path, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, default=Path("quality-out"), help="where contact-sheet.png goes")
    options = parser.parse_args(arguments)

    entries = read_manifest(options.photos)
    if not entries:
        raise SystemExit(f"{options.photos / 'manifest.csv'} lists no photo")
    # Progress and table go to stderr and stdout apart, so that the last line of stdout is the JSON alone.
    progress = Console(stderr=True)
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver"), max_tasks_per_child=1) as processes:
        measured = list(track(processes.map(measure, entries), "measuring", len(entries), console=progress))
    options.out.mkdir(parents=True, exist_ok=True)
    contact_sheet([cell for _, cell in measured]).save(options.out / "contact-sheet.png")
    by_kind: dict[str, list[Score]] = defaultdict(list)
    by_backdrop: dict[str, list[Score]] = defaultdict(list)
    for score, _ in measured:
        by_kind[score.kind].append(score)
        if not score.kind.startswith("synth"):
            by_backdrop["plain" if score.plain else "cluttered"].append(score)
    kinds = {kind: summarise(scores) for kind, scores in sorted(by_kind.items())}
    backdrops = {backdrop: summarise(scores) for backdrop, scores in sorted(by_backdrop.items(), reverse=True)}
    print_table(
        Console(width=TABLE_WIDTH), kinds | {f"real, {backdrop}": figures for backdrop, figures in backdrops.items()}
    )
    print(f"before and after of every photo: {options.out / 'contact-sheet.png'}")
    print(json.dumps({"kinds": kinds, "backdrops": backdrops}))


if __name__ == "__main__":
    main(sys.argv[1:])
