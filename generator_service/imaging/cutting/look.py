"""Evidence on outlines in a plain photo: differences from the backdrop, possible shadows, and hard edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import Floats, across_and_dimming, lab, smooth_lab
from generator_service.imaging.cutting.contours import connected_to_strong, hardness

Mask = NDArray[np.bool_]

_WEAK, _STRONG = 1.2, 2.5
"""An edge is hard where it is this many times as hard as noise, and somewhere along it that many times."""
_DARKEST_SHADOW = 45.0
"""A shadow takes at most this much of the lightness L."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Evidence on the outline, at working size; arrays are H×W."""

    colours: Floats
    """H×W×3, Lab."""
    distance: Floats
    """Lab distance to the modelled backdrop; unlike in `Backdrop.distance`, shadows count in full."""
    dimming: Floats
    """Change of light against the backdrop, in Lab units; negative where darker."""
    shadow_like: Mask
    """The backdrop's hue, and neither brighter than it nor too dark for a shadow."""
    hardness: Floats
    """As of `contours.hardness`."""
    hard: Mask
    """The edges that count as hard."""
    frame: Mask
    """The frame, which is backdrop."""
    noise: float
    """As of `Backdrop`."""

    @property
    def tolerance(self) -> float:
        """Lab distance up to which a pixel may be backdrop."""
        return max(3.0, 2.5 * self.noise)


def look_at(rgb: NDArray[np.uint8], surface: Floats, frame: Mask) -> Look:
    """Gather the evidence from an H×W×3 sRGB picture and the modelled colour of its backdrop, H×W×3 Lab."""
    colours = smooth_lab(rgb, 0.8)
    across, dimming = across_and_dimming(colours, surface)
    distance = np.asarray(np.hypot(across, dimming), np.float32)
    near = distance[frame]
    noise = float(np.median(near[near <= np.percentile(near, 72.0)]))
    edges = hardness(lab(rgb) - surface, frame)
    hue = max(4.0, 2.5 * float(np.percentile(across[frame], 75.0)))
    tolerance = max(3.0, 2.5 * noise)
    return Look(
        colours=colours,
        distance=distance,
        dimming=dimming,
        shadow_like=(across < hue) & (dimming < tolerance) & (dimming > -_DARKEST_SHADOW),
        hardness=edges,
        hard=connected_to_strong(edges, _WEAK, _STRONG),
        frame=frame,
        noise=noise,
    )
