"""Sheets to look at: composed pictures with their alphas, and photos with what the network finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from tools.train.composition.composer import Composer
from tools.train.scoring import Example, Floats, Pixels, iou

_PICTURES, _COLUMNS, _CELL = 64, 8, 160
_BLACK = (0, 0, 0)


def write_samples(composer: Composer, path: Path) -> None:
    """Write a JPEG of one batch: each picture with its alpha below."""
    pictures, alphas = composer.batch(_PICTURES)
    both = torch.cat((pictures, alphas.expand(-1, 3, -1, -1)), 2)
    cells = (both * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    _write([_shrunk(cell) for cell in cells], path)


def write_predictions(examples: Sequence[Example], predict: Callable[[Pixels], Floats], path: Path) -> None:
    """Write a JPEG of photos with S×S alphas, 0 to 1, below: the product on white, with its IoU in percent."""
    cells = []
    for example in examples:
        alpha = predict(example.photo)
        cut = (example.photo * alpha[..., None] + 255 * (1 - alpha[..., None])).astype(np.uint8)
        cell = _shrunk(np.vstack((example.photo, cut)))
        overlap = iou(alpha > 0.5, example.mask)
        cv2.putText(cell, f"{overlap:.0%}", (4, 2 * _CELL - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _BLACK, 1, cv2.LINE_AA)
        cells.append(cell)
    _write(cells, path)


def _shrunk(cell: Pixels) -> Pixels:
    return np.asarray(cv2.resize(cell, (_CELL, 2 * _CELL), interpolation=cv2.INTER_AREA), np.uint8)


def _write(cells: Sequence[Pixels], path: Path) -> None:
    """Write RGB cells of one size, row by row."""
    blank = np.full_like(cells[0], 255)
    padded = [*cells, *[blank] * (-len(cells) % _COLUMNS)]
    rows = [np.hstack(padded[start : start + _COLUMNS]) for start in range(0, len(padded), _COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1])
