"""The images that benchmarks send and store: 3 kB each, like the messages of their peers."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def noise(side: int, quality: int) -> bytes:
    """Return a JPEG of noise, the same in every run."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


PHOTO = noise(64, 70)
THUMBNAIL = noise(64, 70)
