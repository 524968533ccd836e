"""Cuts the small openings out of a mesh, racket or lattice that was filled (`openwork`).

Within the mesh, each pixel is a mixture of the colour of the openings around it and that of the wires around it. The
product's share of it follows from the photo, as at an outline (`unmix`), but without a mask to start from: no copy of
the photo at working size resolves the wires.

A print on cloth in the backdrop's colour alternates with it too, but its ground is one connected area and its motifs
are separate. In a mesh, the openings are separate and the wires are connected.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import Floats
from generator_service.imaging.cutting.look import Mask
from generator_service.imaging.cutting.openwork import Openwork
from generator_service.imaging.cutting.regions import parts_with
from generator_service.imaging.tiles import tiles

_LARGEST_OPENING = 0.3
"""Largest opening as a share of all of them; the ground of a print is most of it."""
_CONNECTED = 0.7
"""Share of the wires that hang together; the rest are crossings without a visible wire between them."""
_CONTRAST = 10.0
"""Lab distance between wires and openings from which they clearly differ: white on white measured 4, meshes 15."""
_CLEAR, _SOLID = 0.1, 0.9
"""A share outside this range is none or all: noise."""


def pierced(found: Openwork) -> NDArray[np.uint8] | None:
    """Return the most alpha, 0 to 255, that the openings leave, at the size of the copy that they were found in.

    None where they may be a print or shading: then nothing should be cut out.
    """
    if _largest_share(found.openings) > _LARGEST_OPENING or _largest_share(found.inner & ~found.openings) < _CONNECTED:
        return None
    share = np.ones(found.openings.shape, np.float32)
    contrast = np.zeros_like(share)
    for tile in tiles(found.alternating, found.window[0] // 2):
        mixed, apart = _unmixed(
            found.colours[tile.outer], found.openings[tile.outer], found.inner[tile.outer], found.window
        )
        share[tile.inner], contrast[tile.inner] = mixed[tile.core], apart[tile.core]
    if float(np.median(contrast[found.alternating])) < _CONTRAST:
        return None
    share = np.clip((share - _CLEAR) / (_SOLID - _CLEAR), 0.0, 1.0)
    share[~found.alternating | (contrast < _CONTRAST)] = 1.0
    # To their middle, where no wire may be near.
    share[parts_with(found.openings, found.alternating, connectivity=4)] = 0.0
    most = np.full(found.shape, 255, np.uint8)
    found.box.cut(most)[:] = np.rint(share * 255.0)
    return most


def _unmixed(colours: Floats, openings: Mask, inner: Mask, window: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the wires' share of each pixel, and the Lab distance of the two colours around it."""

    def mean(weight: Floats) -> Floats:
        total = np.maximum(cv2.blur(weight, window), 1e-9)[:, :, None]
        return np.asarray(cv2.blur(colours * weight[:, :, None], window) / total, np.float32)

    opening = mean(openings.astype(np.float32))
    offset = colours - opening
    # Few pixels show a wire alone: those farthest from the openings' colour count most.
    far = np.square(np.einsum("hwc,hwc->hw", offset, offset)) * inner
    way = mean(np.asarray(far + 1e-6, np.float32)) - opening
    length_squared = np.einsum("hwc,hwc->hw", way, way)
    share = np.einsum("hwc,hwc->hw", offset, way) / np.maximum(length_squared, 1.0)
    return np.asarray(share, np.float32), np.asarray(np.sqrt(length_squared), np.float32)


def _largest_share(mask: Mask) -> float:
    """Return the share of an H×W mask that its largest component has."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    return float(sizes.max() / sizes.sum()) if sizes.size else 0.0
