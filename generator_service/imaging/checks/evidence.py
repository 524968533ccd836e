"""The photo and its cut-out at a small scale: the evidence that the checks of a result measure.

The backdrop's colour under and beside the product is estimated from the pixels that were cut away, by normalised
convolution over growing neighbourhoods, so it follows slow changes of light. It is independent of the model that the
cut-out was found with, and is wrong where product was cut away over a large area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import gradient
from generator_service.imaging.scaling import scaled_down

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]

SIDE = 480
"""Longest side, in pixels, of the copies."""
SOLID, FAINT = 127, 6
"""Alpha above the first is product; of the second or less, backdrop."""
OPAQUE = 200
"""Alpha from which a pixel of the photo belongs to the product's body beyond doubt."""
PLAIN_SPREAD = 9.0
"""Backdrops that vary by more than this (CIELAB) around their local mean can't be separated from product by colour.
Plain backdrops measured 0.2 to 8.4, cluttered ones mostly 10 to 31."""

_CLEARANCE = 7
"""Pixels around the product that do not count as backdrop: they are a mixture."""
_REACHES = (4, 12, 40, 120)
"""Standard deviations, in pixels of a copy of a quarter, of the neighbourhoods; a wider one where the last had none."""
_QUARTER = 4


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A photo and the alpha of its cut-out, both H×W of at most `SIDE` pixels."""

    lab: Field
    """H×W×3, CIELAB: lightness 0 to 100."""
    alpha: Pixels
    """H×W, 0 to 255."""
    body: Mask
    """H×W: where any pixel of the full-size photo is `OPAQUE`, so that thin wires count."""
    visible: Mask | None = None
    """H×W: False where the photo is transparent; None if it is opaque everywhere."""

    @cached_property
    def product(self) -> Mask:
        """H×W: where the product is solid."""
        return np.asarray(self.alpha > SOLID, np.bool_)

    @cached_property
    def area(self) -> int:
        """Pixels of the product, at least one."""
        return max(1, int(np.count_nonzero(self.product)))

    @cached_property
    def outside(self) -> Mask:
        """H×W: the pixels cut away, at a distance from the product's edge."""
        near = cv2.dilate((self.alpha > FAINT).astype(np.uint8), np.ones((_CLEARANCE, _CLEARANCE), np.uint8))
        outside = near == 0
        return np.asarray(outside if self.visible is None else outside & self.visible, np.bool_)

    @cached_property
    def backdrop(self) -> Field | None:
        """H×W×3, CIELAB: the local colour of the backdrop; None if less than 1 % of the photo was cut away."""
        if np.mean(self.outside) < 0.01:
            return None
        weight = self.outside.astype(np.float32)
        height, width = weight.shape
        size = (max(1, width // _QUARTER), max(1, height // _QUARTER))
        colours = cv2.resize(self.lab * weight[:, :, None], size, interpolation=cv2.INTER_AREA)
        weights = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        estimate, known = np.zeros_like(colours), np.zeros(weights.shape, np.bool_)
        for reach in _REACHES:
            amount = cv2.GaussianBlur(weights, (0, 0), reach, borderType=cv2.BORDER_REFLECT)
            mean = cv2.GaussianBlur(colours, (0, 0), reach, borderType=cv2.BORDER_REFLECT)
            mean = mean / np.maximum(amount, 1e-6)[:, :, None]
            estimate = np.where(known[:, :, None], estimate, mean)
            known |= amount > 0.1
        return np.asarray(cv2.resize(estimate, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    @cached_property
    def distance(self) -> Field:
        """H×W: distance (CIELAB) of the photo from its local backdrop; only where there is a `backdrop`."""
        return np.asarray(np.linalg.norm(self.lab - self._known_backdrop, axis=2), np.float32)

    @cached_property
    def spread(self) -> float:
        """90th percentile of the cut-away pixels' distance from the local backdrop (CIELAB); infinite without one."""
        return float("inf") if self.backdrop is None else float(np.percentile(self.distance[self.outside], 90))

    @property
    def plain(self) -> bool:
        """Whether the backdrop is even enough to be identified by its colour."""
        return self.spread <= PLAIN_SPREAD

    @cached_property
    def darker(self) -> Field:
        """H×W: by how much, of 100, the photo is darker than its local backdrop; only where there is a `backdrop`."""
        return np.asarray(self._known_backdrop[:, :, 0] - self.lab[:, :, 0], np.float32)

    @cached_property
    def tinted(self) -> Field:
        """H×W: distance of the photo's hue and chroma from the local backdrop's; only where there is a `backdrop`."""
        return np.asarray(np.linalg.norm(self.lab[:, :, 1:] - self._known_backdrop[:, :, 1:], axis=2), np.float32)

    @cached_property
    def gradient(self) -> Field:
        """H×W: change of colour (CIELAB) per pixel."""
        return gradient(self.lab)

    @cached_property
    def outline(self) -> Mask:
        """H×W: pixels on either side of the product's edge; none within four pixels of the photo's frame."""
        edge = cv2.morphologyEx(self.product.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        inner = np.zeros_like(edge)
        inner[4:-4, 4:-4] = True
        return edge & inner

    @property
    def _known_backdrop(self) -> Field:
        if self.backdrop is None:
            raise ValueError("there is no backdrop to compare with")
        return self.backdrop


def gather(rgb: Pixels, alpha: Pixels, visible: Mask | None = None) -> Evidence:
    """Shrink an H×W×3 sRGB photo and its H×W alpha; ``visible`` as in `Photo`."""
    height, width = alpha.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = scaled_down(rgb, *size).astype(np.float32) / 255.0
    shown = None
    if visible is not None:
        shown = cv2.resize(visible.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return Evidence(
        lab=np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32),
        alpha=scaled_down(alpha, *size),
        body=cv2.resize((alpha >= OPAQUE).astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0,
        visible=shown,
    )
