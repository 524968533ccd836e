"""CMYK without a profile, converted as if printed by offset on coated paper.

A Neugebauer model with the Yule–Nielsen correction for optical dot gain: each of the eight overprints of cyan, magenta
and yellow covers the share of the paper that the ink amounts imply, and black dims all of them. The colours are the
aims of ISO 12647-2 for coated paper, in CIE Lab under D50.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_PAPER = (95.0, 0.0, -2.0)
_SOLIDS = {
    (1, 0, 0): (55.0, -37.0, -50.0),
    (0, 1, 0): (48.0, 74.0, -3.0),
    (0, 0, 1): (91.0, -5.0, 93.0),
    (1, 1, 0): (24.0, 22.0, -46.0),
    (1, 0, 1): (50.0, -68.0, 33.0),
    (0, 1, 1): (47.0, 68.0, 48.0),
    (1, 1, 1): (18.0, 3.0, 0.0),
}
_BLACK_LIGHTNESS = 16.0
_YULE_NIELSEN = 2.0
_D50 = np.array((0.9642, 1.0, 0.8249))
_D50_TO_SRGB = np.array(
    ((3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427))
)
"""From XYZ under D50 to linear sRGB, by Bradford."""
_BAND_PX = 1 << 19


def to_srgb(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert H×W×4 amounts of cyan, magenta, yellow and black, 255 being solid, to H×W×3 8-bit sRGB."""
    overprints, black = _roots()
    result = np.empty((*inks.shape[:2], 3), np.uint8)
    rows = max(1, _BAND_PX // inks.shape[1])
    for top in range(0, inks.shape[0], rows):
        band = inks[top : top + rows].astype(np.float32)[..., None] / 255.0
        cyan, magenta, yellow, key = (band[:, :, ink] for ink in range(4))
        mixed = _between(
            _between(
                _between(overprints[0, 0, 0], overprints[1, 0, 0], cyan),
                _between(overprints[0, 1, 0], overprints[1, 1, 0], cyan),
                magenta,
            ),
            _between(
                _between(overprints[0, 0, 1], overprints[1, 0, 1], cyan),
                _between(overprints[0, 1, 1], overprints[1, 1, 1], cyan),
                magenta,
            ),
            yellow,
        )
        light = np.power(mixed * (1.0 - key + key * black), _YULE_NIELSEN)
        coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light, 1.0 / 2.4) - 0.055)
        result[top : top + rows] = np.rint(np.clip(coded, 0.0, 1.0) * 255.0).astype(np.uint8)
    return result


def _between(one: Floats, other: Floats, share: Floats) -> Floats:
    return one + (other - one) * share


def _roots() -> tuple[Floats, np.float32]:
    """Return the linear sRGB of the overprints, 2×2×2×3, and the light that black leaves, in roots of the model."""
    paper = _xyz(_PAPER)
    light = np.ones((2, 2, 2, 3))
    for inks, lab in _SOLIDS.items():
        light[inks] = _D50_TO_SRGB @ (_xyz(lab) / paper * _D50)
    black = _xyz((_BLACK_LIGHTNESS, 0.0, 0.0))[1] / paper[1]
    root = 1.0 / _YULE_NIELSEN
    return np.clip(light, 0.0, 1.0).astype(np.float32) ** np.float32(root), np.float32(black**root)


def _xyz(lab: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return XYZ relative to white."""
    lightness, a, b = lab
    middle = (lightness + 16.0) / 116.0
    f = np.array((middle + a / 500.0, middle, middle - b / 200.0))
    return np.where(f > 6.0 / 29.0, f**3, 3.0 * (6.0 / 29.0) ** 2 * (f - 4.0 / 29.0))
