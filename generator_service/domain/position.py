"""Corrections by hand of the product's automatic position in the frame."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ROTATION = 180.0
MAX_MOVE = 0.5
MIN_SCALE, MAX_SCALE = 0.2, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What differs from the automatic position: upright as in the photo, fitted to the fill, in the middle."""

    rotation: float = 0.0
    """Degrees clockwise, -180 to 180. The turned product is fitted to the fill again."""
    move_x: float = 0.0
    """Share of the frame's side by which the product is moved to the right, -0.5 to 0.5."""
    move_y: float = 0.0
    """Share of the frame's side by which the product is moved down, -0.5 to 0.5."""
    scale: float = 1.0
    """Factor of the fitted size, 0.2 to 4. Parts that leave the frame are cut off."""

    @property
    def automatic(self) -> bool:
        """Whether nothing is corrected."""
        return self == AUTOMATIC


AUTOMATIC = Position()
