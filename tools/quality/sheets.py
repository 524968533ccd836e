"""Contact sheets: photo, result and the mask's errors side by side, failures first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tools.quality.scores import Score

CELL = 200
CAPTION = 14
COLUMNS = 4
ROWS = 12
_MISSED, _EXTRA, _BOTH = (255, 60, 40), (60, 120, 255), (225, 225, 225)
"""Red: product that is missing; blue: backdrop that was kept."""


def cell(
    before: NDArray[np.uint8],
    after: Image.Image | None,
    alpha: NDArray[np.uint8],
    truth: NDArray[np.uint8] | None,
    caption: str,
) -> Image.Image:
    """Return a row of the photo, its result (if there is one) and a map of the errors (if there is a mask)."""
    pictures = (Image.fromarray(before), after, None if truth is None else Image.fromarray(errors(alpha, truth)))
    made = Image.new("RGB", (len(pictures) * CELL, CELL + CAPTION), (128, 128, 128))
    for column, picture in enumerate(pictures):
        if picture is not None:
            small = picture.convert("RGB")
            small.thumbnail((CELL - 4, CELL - 4))
            made.paste(small, (column * CELL, 0))
    ImageDraw.Draw(made).text((2, CELL), caption, fill=(255, 255, 255))
    return made


def errors(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a small H×W×3 map: product found grey, missing red, backdrop that was kept blue."""
    scale = CELL / max(alpha.shape)
    size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
    found, wanted = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 127 for mask in (alpha, truth))
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[found & wanted] = _BOTH
    picture[wanted & ~found] = _MISSED
    picture[found & ~wanted] = _EXTRA
    return picture


def by_urgency(score: Score) -> tuple[int, float]:
    """Return a sort key: silent failures, other failures from the worst on, results without a mask, right ones."""
    if score.right is None:
        return 2, 0.0 if score.trusted else -1.0
    return (0 if score.silent_failure else 1 if not score.right else 3), score.iou or 0.0


def write_sheets(measured: Sequence[tuple[Score, Image.Image]], out: Path, name: str) -> list[Path]:
    """Write contact sheets ``name-1.jpg`` … with failures first; return their paths."""
    ordered = [picture for _, picture in sorted(measured, key=lambda pair: by_urgency(pair[0]))]
    pages = [ordered[start : start + COLUMNS * ROWS] for start in range(0, len(ordered), COLUMNS * ROWS)]
    paths = []
    for number, page in enumerate(pages, 1):
        paths.append(out / f"{name}-{number}.jpg")
        contact_sheet(page).save(paths[-1], quality=88)
    return paths


def contact_sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """Lay cells of the same size out in rows."""
    width, height = cells[0].size
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (width * min(COLUMNS, len(cells)), height * rows), (64, 64, 64))
    for index, picture in enumerate(cells):
        sheet.paste(picture, (index % COLUMNS * width, index // COLUMNS * height))
    return sheet
