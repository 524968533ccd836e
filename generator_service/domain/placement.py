"""Position and scale of the photo in the result."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.finding import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the upright photo maps onto the result: ``result = photo * scale + (x, y)``, in pixels, within one pixel."""

    scale: float
    """Pixels of the result per pixel of the photo; above 0."""
    x: float
    """Column of the result where the photo's left edge lies; may be negative."""
    y: float
    """Row of the result where the photo's top edge lies; may be negative."""
    photo_width: int
    """Pixels of the upright photo."""
    photo_height: int

    def point(self, column: float, row: float) -> tuple[float, float]:
        """Map a point of the photo, in pixels, to column and row of the result."""
        return column * self.scale + self.x, row * self.scale + self.y

    def box(self, region: Region) -> tuple[float, float, float, float]:
        """Map a region of the photo to left, top, right and bottom in pixels of the result."""
        left, top = self.point(region.left * self.photo_width, region.top * self.photo_height)
        right, bottom = self.point(region.right * self.photo_width, region.bottom * self.photo_height)
        return left, top, right, bottom
