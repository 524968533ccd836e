"""Work on parts of a picture: windows that cover a narrow band, each read with a margin, and colour planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TILE = 96

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of a picture to work on."""

    outer: Window
    """The window to read: the one to write with its margin, clipped at the picture's edge."""
    inner: Window
    """The window to write."""
    core: Window
    """``inner``, relative to ``outer``."""


def tiles(busy: NDArray[np.bool_], margin: int) -> Iterator[Tile]:
    """Yield windows on all true pixels of ``busy`` (H×W), each within one tile, with ``margin`` pixels around it."""
    height, width = busy.shape
    for top in range(0, height, TILE):
        strip = busy[top : top + TILE]
        for left in range(0, width, TILE):
            part = strip[:, left : left + TILE]
            if not (in_rows := np.flatnonzero(part.any(axis=1))).size:
                continue
            in_columns = np.flatnonzero(part.any(axis=0))
            rows = slice(top + int(in_rows[0]), top + int(in_rows[-1]) + 1)
            columns = slice(left + int(in_columns[0]), left + int(in_columns[-1]) + 1)
            outer = (
                slice(max(0, rows.start - margin), min(height, rows.stop + margin)),
                slice(max(0, columns.start - margin), min(width, columns.stop + margin)),
            )
            yield Tile(
                outer=outer,
                inner=(rows, columns),
                core=(
                    slice(rows.start - outer[0].start, rows.stop - outer[0].start),
                    slice(columns.start - outer[1].start, columns.stop - outer[1].start),
                ),
            )


def planes(pixels: NDArray[np.uint8 | np.float32]) -> list[NDArray[np.float32]]:
    """Return the channels of an H×W×C picture, each H×W.

    NumPy broadcasts a plane over the last axis about 30 times as slowly as it combines planes, and OpenCV blurs planes
    three times as fast as their merged channels.
    """
    return [np.asarray(plane, np.float32) for plane in cv2.split(pixels)]


def dot(left: Sequence[NDArray[np.float32]], right: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the scalar product of two colours, each three H×W planes, at each pixel."""
    return np.asarray(left[0] * right[0] + left[1] * right[1] + left[2] * right[2], np.float32)
