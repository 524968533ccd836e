"""How cloth and strands catch the light."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Floats, Mask
from tools.studio.products.bench import Bench
from tools.studio.surfaces import bumped
from tools.studio.textures import creases


def folded(bench: Bench, normals: Floats, strength: float) -> Floats:
    """Tilt a surface by soft folds."""
    shape = (normals.shape[0], normals.shape[1])
    height = creases(bench.rng, shape, int(bench.rng.integers(5, 16)))
    return bumped(normals, height * np.float32(strength * max(shape) / 22))


def facing(mask: Mask) -> Floats:
    """Return normals that turn outwards over a window: how fine strands stand on a round body."""
    rows, columns = mask.window
    normals = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
    y, x = np.mgrid[-1 : 1 : normals.shape[0] * 1j, -1 : 1 : normals.shape[1] * 1j]
    normals[:, :, 0], normals[:, :, 1] = 0.6 * x, 0.6 * y
    normals[:, :, 2] = np.sqrt(1.0 - np.clip(normals[:, :, 0] ** 2 + normals[:, :, 1] ** 2, 0.0, 0.99))
    return normals
