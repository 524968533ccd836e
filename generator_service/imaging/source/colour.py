"""From samples of a known encoding to 8-bit sRGB: transfer function, primaries, tone mapping, in this order.

Light is linear here, 1.0 being the white of the picture: 203 cd/m² of HDR encodings (ITU-R BT.2408). Light brighter
than that is rolled off; everything clearly darker is unchanged, so an HDR photo of an ordinary scene is not washed out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of red, green, blue and white."""

_D65 = (0.3127, 0.3290)
BT709: Chromaticities = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65)
BT2020: Chromaticities = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)
DISPLAY_P3: Chromaticities = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65)
ADOBE_RGB: Chromaticities = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, *_D65)
_PRIMARIES: dict[int, Chromaticities] = {
    1: BT709,
    2: BT709,  # unspecified
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: BT2020,
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: DISPLAY_P3,
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
"""Colour primaries of ITU-T H.273."""

_REFERENCE_WHITE, _PQ_PEAK, _HLG_PEAK, _HLG_GAMMA = 203.0, 10_000.0, 1000.0, 1.2
_KNEE = 0.75
"""Light up to this is not changed by tone mapping."""
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))
_BAND_PX = 1 << 19
"""Pixels converted at a time, which bounds the memory."""


class Transfer(StrEnum):
    """How samples stand for light."""

    SRGB = "srgb"
    GAMMA = "gamma"
    PQ = "pq"
    HLG = "hlg"


_TRANSFERS: dict[int, tuple[Transfer, float]] = {
    # Viewers show the camera curve of BT.709 and its relatives by sRGB's.
    **dict.fromkeys((1, 2, 6, 7, 11, 12, 13, 14, 15), (Transfer.SRGB, 1.0)),
    4: (Transfer.GAMMA, 2.2),
    5: (Transfer.GAMMA, 2.8),
    8: (Transfer.GAMMA, 1.0),
    16: (Transfer.PQ, 1.0),
    18: (Transfer.HLG, 1.0),
}
"""Transfer characteristics of ITU-T H.273."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What the samples of a picture mean."""

    primaries: Chromaticities = BT709
    transfer: Transfer = Transfer.SRGB
    gamma: float = 1.0
    """Of `Transfer.GAMMA`: light is the sample raised to this."""
    full_range: bool = True
    """False where 16 of 255 is black and 235 is white."""

    @classmethod
    def of_codes(cls, primaries: int, transfer: int, *, full_range: bool = True) -> Encoding | None:
        """Return the encoding that code points of H.273 name; None where they are not supported."""
        if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
            return None
        kind, gamma = _TRANSFERS[transfer]
        return cls(primaries=_PRIMARIES[primaries], transfer=kind, gamma=gamma, full_range=full_range)

    @property
    def is_srgb(self) -> bool:
        """Whether samples can be read as sRGB; chromaticities may be rounded."""
        alike = np.allclose(self.primaries, BT709, atol=0.002)
        return self.transfer is Transfer.SRGB and self.full_range and alike


def to_srgb(samples: NDArray[np.uint8] | NDArray[np.uint16], encoding: Encoding | None) -> NDArray[np.uint8]:
    """Convert H×W×3 or, of grey, H×W samples to H×W×3 8-bit sRGB. No encoding means sRGB.

    Raises:
        ValueError: the primaries span no colour space.

    """
    if encoding is None or encoding.is_srgb:
        eight = to_8_bits(samples)
        return eight if eight.ndim == 3 else np.repeat(eight[:, :, None], 3, axis=2)
    levels = np.iinfo(samples.dtype).max + 1
    to_light = _light_of(np.linspace(0.0, 1.0, levels), encoding).astype(np.float32)
    grey = samples.ndim == 2
    matrix = np.eye(3, dtype=np.float32) if grey else _matrix(encoding.primaries)
    tone = _tone_curve(samples, to_light, matrix, encoding)
    result = np.empty((*samples.shape[:2], 3), np.uint8)
    rows = max(1, _BAND_PX // samples.shape[1])
    for top in range(0, samples.shape[0], rows):
        light = _linear(samples[top : top + rows], to_light, matrix, encoding)
        if tone is not None:
            brightest = np.maximum(light.max(axis=2), 1e-6)
            light *= (tone(brightest) / brightest)[:, :, None]
        result[top : top + rows] = _encode(light)
    return result


def to_8_bits(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Scale 16-bit samples to 8 bits; 8-bit ones are unchanged."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    table = np.rint(np.arange(65536) / 257.0).astype(np.uint8)
    return np.asarray(table[samples])


def _linear(samples: NDArray[np.unsignedinteger], to_light: Floats, matrix: Floats, encoding: Encoding) -> Floats:
    """Return H×W×3 light in the primaries of sRGB."""
    light = to_light[samples]
    if light.ndim == 2:
        light = np.repeat(light[:, :, None], 3, axis=2)
    if encoding.transfer is Transfer.HLG:
        # From light of the scene to that of a display with a peak of 1,000 cd/m² (ITU-R BT.2100).
        luminance = light @ np.array((0.2627, 0.6780, 0.0593), np.float32)
        light *= np.power(np.maximum(luminance, 1e-9), _HLG_GAMMA - 1.0)[:, :, None]
        light *= np.float32(_HLG_PEAK / _REFERENCE_WHITE)
    return np.asarray(light @ matrix.T, np.float32)


def _light_of(values: NDArray[np.float64], encoding: Encoding) -> NDArray[np.float64]:
    """Return the light that samples, 0 to 1, stand for; of HLG that of the scene."""
    if not encoding.full_range:
        values = np.clip((values * 255.0 - 16.0) / 219.0, 0.0, 1.0)
    match encoding.transfer:
        case Transfer.SRGB:
            return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        case Transfer.GAMMA:
            return np.asarray(values**encoding.gamma)
        case Transfer.PQ:
            m1, m2 = 2610.0 / 16384.0, 2523.0 / 32.0
            c1, c2, c3 = 3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0
            root = values ** (1.0 / m2)
            light = (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1.0 / m1)
            return np.asarray(light * (_PQ_PEAK / _REFERENCE_WHITE))
        case Transfer.HLG:
            a, b, c = 0.17883277, 0.28466892, 0.55991073
            return np.where(values <= 0.5, values * values / 3.0, (np.exp((values - c) / a) + b) / 12.0)


def _tone_curve(
    samples: NDArray[np.unsignedinteger], to_light: Floats, matrix: Floats, encoding: Encoding
) -> Callable[[Floats], Floats] | None:
    """Return the curve that brings the brightest light of a picture to white; None where it is not brighter."""
    if encoding.transfer not in {Transfer.PQ, Transfer.HLG}:
        return None
    step = max(1, round((samples.shape[0] * samples.shape[1] / _BAND_PX) ** 0.5))
    sampled = _linear(samples[::step, ::step], to_light, matrix, encoding).max(axis=2)
    peak = float(np.percentile(sampled, 99.9))
    if peak <= 1.0:
        return None
    room = np.float32(1.0 - _KNEE)
    furthest = np.float32((peak - _KNEE) / (1.0 - _KNEE))

    def curve(light: Floats) -> Floats:
        beyond = np.clip((light - _KNEE) / room, 0.0, furthest)
        rolled = _KNEE + room * beyond * (1.0 + beyond / (furthest * furthest)) / (1.0 + beyond)
        return np.asarray(np.where(light <= _KNEE, light, rolled), np.float32)

    return curve


def _matrix(primaries: Chromaticities) -> Floats:
    """Return the 3×3 matrix from light in some primaries to that in sRGB's, white staying white."""
    source, target = _to_xyz(primaries), _to_xyz(BT709)
    cones, wanted = _BRADFORD @ source.sum(axis=1), _BRADFORD @ target.sum(axis=1)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(wanted / cones) @ _BRADFORD @ source
    return np.asarray(np.linalg.inv(target) @ adapted, np.float32)


def _to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    points = np.array(primaries, np.float64).reshape(4, 2)
    if (points[:, 1] <= 0.0).any():
        raise ValueError("a primary has no luminance")
    xyz = np.stack((points[:, 0], points[:, 1], 1.0 - points.sum(axis=1)), axis=0) / points[:, 1]
    if abs(np.linalg.det(xyz[:, :3])) < 1e-3:
        raise ValueError("the primaries lie on a line")
    return np.asarray(xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3]))


def _srgb_table() -> NDArray[np.uint8]:
    light = np.linspace(0.0, 1.0, 65536)
    return np.rint(255.0 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )


_SRGB = _srgb_table()


def _encode(light: Floats) -> NDArray[np.uint8]:
    return np.asarray(_SRGB[np.rint(np.clip(light, 0.0, 1.0) * 65535.0).astype(np.uint16)])
