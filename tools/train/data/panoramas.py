"""Views into panoramas (HDRI), as backdrops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

VIEWS = 28
"""Of each panorama."""


def views(path: Path, rng: np.random.Generator, side: int) -> Iterator[Pixels]:
    """Yield S×S×3 sRGB views of an equirectangular HDR picture, level or looking down.

    Raises:
        ValueError: the file can't be read.

    """
    loaded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if loaded is None:
        raise ValueError(f"can't read {path}")
    panorama = np.ascontiguousarray(loaded[:, :, ::-1], np.float32)
    for _ in range(VIEWS):
        yield _tone_mapped(_view(panorama, rng, side), rng)


def _view(panorama: Floats, rng: np.random.Generator, side: int) -> Floats:
    height, width = panorama.shape[:2]
    edge = np.tan(np.radians(rng.uniform(50, 95)) / 2)
    yaw, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-45, 15))
    x, y = np.meshgrid(np.linspace(-edge, edge, side), np.linspace(edge, -edge, side))
    ray = np.stack((x, y, np.ones_like(x)), -1)
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    up = ray[..., 1] * np.cos(pitch) + ray[..., 2] * np.sin(pitch)
    ahead = ray[..., 2] * np.cos(pitch) - ray[..., 1] * np.sin(pitch)
    longitude, latitude = np.arctan2(ray[..., 0], ahead) + yaw, np.arcsin(np.clip(up, -1, 1))
    columns = ((longitude / (2 * np.pi)) % 1 * width).astype(np.float32)
    rows = ((0.5 - latitude / np.pi) * height).astype(np.float32)
    return np.asarray(cv2.remap(panorama, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def _tone_mapped(linear: Floats, rng: np.random.Generator) -> Pixels:
    """Expose by the brighter half, compress highlights (Reinhard et al., 2002), and encode."""
    exposed = linear * (0.45 / max(float(np.percentile(linear, 60)), 1e-4)) * rng.uniform(0.6, 1.5)
    return (np.clip(exposed / (1 + 0.35 * exposed), 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
