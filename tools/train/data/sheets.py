"""Numbered contact sheets of cut-outs on green, for a person to note the numbers of bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.train.data.cutouts import Cutout

Pixels = NDArray[np.uint8]

CELL, COLUMNS, PER_SHEET = 130, 12, 60
_GREEN = (60, 230, 60)


def write_sheets(cutouts: Sequence[Cutout], photos: Path, alphas: Path, prefix: Path) -> None:
    """Write ``PREFIX-0000.jpg`` and so on; each cell shows the photo and its cut-out under its number.

    Raises:
        FileNotFoundError: a photo or an alpha is missing.

    """
    for start in range(0, len(cutouts), PER_SHEET):
        part = cutouts[start : start + PER_SHEET]
        rows = -(-len(part) // COLUMNS)
        sheet = np.full((rows * CELL, COLUMNS * CELL, 3), 255, np.uint8)
        for position, cutout in enumerate(part):
            cell = _cell(cutout, photos, alphas)
            top, left = (position // COLUMNS) * CELL, (position % COLUMNS) * CELL
            sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
            for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                corner = (left + 2, top + 12)
                cv2.putText(sheet, str(start + position), corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, width)
        cv2.imwrite(f"{prefix}-{start:04d}.jpg", sheet)


def _cell(cutout: Cutout, photos: Path, alphas: Path) -> Pixels:
    photo = cv2.imread(str(photos / cutout.photo))
    alpha = cv2.imread(str(alphas / f"{cutout.name}.png"), cv2.IMREAD_GRAYSCALE)
    if photo is None or alpha is None:
        raise FileNotFoundError(f"no photo or no alpha of {cutout.photo}")
    photo = cv2.resize(photo, alpha.shape[::-1], interpolation=cv2.INTER_AREA)
    share = alpha[..., None] / 255.0
    product = (photo * share + np.array(_GREEN) * (1 - share)).astype(np.uint8)
    both = (np.hstack if photo.shape[0] > photo.shape[1] else np.vstack)((photo, product))
    scale = (CELL - 3) / max(both.shape[:2])
    return np.asarray(cv2.resize(both, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
