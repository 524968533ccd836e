"""Position and scale of the photo in the result."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from generator_service.domain.finding import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the upright photo maps onto the result, within one pixel: turned around its top left corner, scaled, moved.

    Without a rotation, ``result = photo * scale + (x, y)``, in pixels.
    """

    scale: float
    """Pixels of the result per pixel of the photo; above 0."""
    x: float
    """Column of the result where the photo's top left corner lies; may be negative."""
    y: float
    """Row of the result where the photo's top left corner lies; may be negative."""
    photo_width: int
    """Pixels of the upright photo."""
    photo_height: int
    rotation: float = 0.0
    """Degrees by which the photo is turned clockwise, -180 to 180."""

    def point(self, column: float, row: float) -> tuple[float, float]:
        """Map a point of the photo, in pixels, to column and row of the result."""
        across, down = self.axes
        return (
            self.scale * (column * across - row * down) + self.x,
            self.scale * (column * down + row * across) + self.y,
        )

    def shifted(self, columns: float, rows: float) -> Placement:
        """Return the placement whose photo begins at this point, in pixels, of the present one."""
        x, y = self.point(columns, rows)
        return replace(self, x=x, y=y)

    def box(self, region: Region) -> tuple[float, float, float, float]:
        """Map a region of the photo to left, top, right and bottom, in pixels of the result, of the box around it."""
        corners = [
            self.point(across * self.photo_width, down * self.photo_height)
            for across in (region.left, region.right)
            for down in (region.top, region.bottom)
        ]
        columns, rows = zip(*corners, strict=True)
        return min(columns), min(rows), max(columns), max(rows)

    @property
    def axes(self) -> tuple[float, float]:
        """Cosine and sine of the rotation: the direction, in the result, of the photo's rows."""
        turn = math.radians(self.rotation)
        return math.cos(turn), math.sin(turn)
