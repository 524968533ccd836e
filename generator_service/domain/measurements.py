"""Measurements of a result. Shares are 0 to 1; None if there is nothing to measure."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.finding import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutMeasurements:
    """Measurements of a cut-out compared with its photo. Areas are shares of the product's; they may exceed 1."""

    torn: float
    """Share of the outline that is ragged without an edge in the photo."""
    edge_width: float
    """Half transparent pixels for each pixel of the outline's length, at a scale of 480 pixels."""
    ghosts: float
    """Area of half transparent pixels away from the product."""
    holes: int
    """Small holes that show no backdrop."""
    openings: float | None
    """Area inside the product that looks like the backdrop; None, like the next two, if the backdrop is not plain."""
    shadow: float | None
    """Area of shadow that was kept."""
    lost: float | None
    """Area that differs from the backdrop and was cut away."""
    lost_region: Region | None = None
    """Region of the photo with the lost area; None if nothing was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Measurements of a file, decoded again. Shares are 0 to 1; None if there is nothing to measure."""

    border: int
    """Largest difference of any border pixel from the background, of 255."""
    white_border: int
    """Largest difference of any border pixel from pure white, of 255."""
    near_white: float | None
    """Share of the picture within 5 of 255 of the background."""
    fill: float
    """The product's longest visible side as a share of the picture's side."""
    off_centre: float
    """Distance of the product's middle from the picture's, as a share of the side."""
    side: int
    """Side of the square picture in pixels."""
    size_bytes: int
    halo: float | None
    """Share of the product's outline with a pale fringe."""
    fringe: float | None = None
    """Share of the product's outline that keeps the backdrop's colour."""
    parts: int
    """Separate parts of the product that are large enough to count."""
    specks: int
    """Separate parts that are tiny."""
    sharpness: float | None
    """Detail of the product relative to the submitted photo; 1 is equally sharp."""
    frame_touch: float
    """Share of the photo's frame that the product touches."""
    likeness: float | None = None
    """Likeness to the product of the submitted photo; only for generated pictures."""
    cutout: CutoutMeasurements | None = None
    """Measurements of the cut-out; None if the photo came with its own alpha."""
