"""Square tiles that cover a narrow band of work, each read with a margin around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILE = 96

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of a picture to work on."""

    outer: Window
    """The window to read: the tile with its margin, clipped at the picture's edge."""
    inner: Window
    """The window to write."""
    core: Window
    """``inner``, relative to ``outer``."""


def tiles(busy: NDArray[np.bool_], margin: int) -> Iterator[Tile]:
    """Yield the tiles in which ``busy`` (H×W) is anywhere true, with ``margin`` pixels around each."""
    height, width = busy.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
            if not busy[rows, columns].any():
                continue
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
