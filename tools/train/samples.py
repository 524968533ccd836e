"""A sheet of composed pictures beside their alphas, to look at before and after changes of the recipe."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from tools.train.composition.composer import Composer

_PICTURES, _COLUMNS, _CELL = 64, 8, 160


def write_samples(composer: Composer, path: Path) -> None:
    """Write a JPEG of one batch: each picture with its alpha below."""
    pictures, alphas = composer.batch(_PICTURES)
    both = torch.cat((pictures, alphas.expand(-1, 3, -1, -1)), 2)
    cells = (both * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    small = [cv2.resize(cell, (_CELL, 2 * _CELL), interpolation=cv2.INTER_AREA) for cell in cells]
    rows = [np.hstack(small[start : start + _COLUMNS]) for start in range(0, _PICTURES, _COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1])
