"""Rectangles of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: left and top belong to it, right and bottom don't."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def longest(self) -> int:
        """The longer side in pixels."""
        return max(self.width, self.height)

    def grown(self, margin: int, shape: tuple[int, ...]) -> Box:
        """Return the box with a margin around it, within a picture of ``shape``."""
        return Box(
            max(0, self.left - margin),
            max(0, self.top - margin),
            min(shape[1], self.right + margin),
            min(shape[0], self.bottom + margin),
        )

    def cut(self, pixels: NDArray[Value]) -> NDArray[Value]:
        """Return the part of an H×W×… picture inside the box, as a view."""
        return pixels[self.top : self.bottom, self.left : self.right]


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around all true pixels of an H×W mask; None if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
