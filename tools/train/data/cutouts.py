"""Cut products out of plain photos with the local engine, for a person to check on sheets.

Writes ``NAME.png``, the alpha of each photo shrunk to a longest side of 320 px, and ``cutouts.jsonl``: one line each
with the photo's path, how far the engine's two masks agree, the product's share of the frame, and whether it touches
the frame. Photos on cluttered backdrops are skipped. Photos that any measurement uses are named by ``exclude`` and
never taken.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from generator_service.imaging.cutting.confidence import touches_frame
from generator_service.imaging.cutting.fusion import overlap
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.segment import second_opinion, segment, shrink

SIDE = 320
"""Longest side, in pixels, of stored cut-outs: the network's input is no larger."""
WORKING_SIDE = 480
LOG = "cutouts.jsonl"
_INVISIBLE = 6
_SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """A line of the log."""

    photo: str
    """Path relative to the folder of photos."""
    name: str
    """Name of the alpha's file, without its suffix."""
    agreement: float
    """IoU of the engine's two masks."""
    area: float
    """Share of the frame."""
    touches: bool
    """Whether the product touches the frame."""


def cut_out(photos: Path, out: Path, exclude: Iterable[Path]) -> None:
    """Cut out every photo below a folder; go on where an earlier call stopped."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / LOG
    done = {cutout.photo for cutout in read_log(out)} if log.exists() else set()
    measured = set(excluded(exclude))
    cv2.setNumThreads(1)
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in _SUFFIXES)
    with log.open("a", encoding="utf-8") as lines:
        for path in track(files):
            relative = path.relative_to(photos).as_posix()
            if relative in done or path.name in measured:
                continue
            cutout = _cut_out(path, relative, out)
            if cutout:
                lines.write(f"{json.dumps(asdict(cutout))}\n")
                lines.flush()


def _cut_out(path: Path, relative: str, out: Path) -> Cutout | None:
    picture = cv2.imread(str(path))
    if picture is None:
        return None
    rgb = shrink(np.ascontiguousarray(picture[:, :, ::-1], np.uint8), SIDE)
    found = segment(shrink(rgb, WORKING_SIDE))
    if not found.mask.any() or not found.backdrop.plain:
        return None
    alpha = matte(rgb, found.mask)
    alpha[alpha <= _INVISIBLE] = 0
    name = relative.rsplit(".", 1)[0].replace("/", "__")
    cv2.imwrite(str(out / f"{name}.png"), alpha)
    return Cutout(
        photo=relative,
        name=name,
        agreement=float(overlap(found.mask, second_opinion(rgb))),
        area=float(found.mask.mean()),
        touches=bool(touches_frame(found.mask)),
    )


def read_log(folder: Path) -> list[Cutout]:
    """Read the log written by ``cut_out``.

    Raises:
        FileNotFoundError: ``cut_out`` was not run for this folder.

    """
    return [Cutout(**json.loads(line)) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def candidates(cutouts: Iterable[Cutout], least_agreement: float) -> list[Cutout]:
    """Return the cut-outs worth a manual check, in the order of the log."""
    return [one for one in cutouts if one.agreement >= least_agreement and 0.03 < one.area < 0.9]


def excluded(manifests: Iterable[Path]) -> Iterator[str]:
    """Yield the file names, in their sources, of all photos of these manifests (CSV with ``path``)."""
    for manifest in manifests:
        with manifest.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                yield Path(row["path"]).name
