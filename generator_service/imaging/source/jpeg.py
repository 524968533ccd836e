"""Decodes JPEG files that break off near their end, as viewers do, and measures how much of the picture is missing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, JpegImagePlugin

_EOI = b"\xff\xd9"
_FILLER = ((np.arange(1 << 16) * 151 + 37) % 255).astype(np.uint8).tobytes()
"""Entropy-coded data of no meaning, without a marker."""
_CHANGED = 16
"""A pixel depends on missing data where the filler changes a channel by more than this."""
_MOST_MISSING, _MOST_ROWS, _MOST_OF_SMALL = 0.05, 32, 0.125
"""Share of the rows that may be missing; or two rows of blocks, but no more than this share."""
_MAX_SEGMENTS = 10_000


def recover(data: bytes) -> tuple[Image.Image, int] | None:
    """Decode a JPEG that breaks off; return the picture without its missing rows, and how many are missing.

    None where more than a few rows are missing, or a whole scan of a component is.

    Raises:
        OSError: it can't be decoded at all.

    """
    data = data.rstrip(b"\xff")
    if not _all_scans_begun(data):
        return None
    # The missing rows are those that depend on the bytes that follow.
    image, other = (_decoded(data + tail + _EOI) for tail in (b"", _FILLER))
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(other, np.int16))
    changed = difference.reshape(image.height, -1).max(axis=1) > _CHANGED
    whole = int(np.argmax(changed)) if changed.any() else image.height
    missing = image.height - whole
    if missing > max(_MOST_MISSING * image.height, min(_MOST_ROWS, _MOST_OF_SMALL * image.height)):
        return None
    return (image.crop((0, 0, image.width, whole)) if missing else image), missing


def _decoded(data: bytes) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    image.load()
    return image


def _all_scans_begun(data: bytes) -> bool:
    """Whether the file has begun to code every bit of every coefficient, in however many scans."""
    position, components = 2, 0
    coded: dict[int, list[bool]] = {}
    for _ in range(_MAX_SEGMENTS):
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            break
        marker = data[position + 1]
        if marker in {0x00, 0x01, 0xFF} or 0xD0 <= marker <= 0xD9:
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        body = data[position + 4 : position + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            components = body[5] if len(body) > 5 else 0
        elif marker == 0xDA and body and len(body) >= 1 + 2 * body[0] + 3:
            first, last, approximation = body[-3:]
            for index in range(body[0]):
                bands = coded.setdefault(body[1 + 2 * index], [False] * 64)
                if approximation & 0x0F == 0:
                    bands[first : last + 1] = [True] * (min(last, 63) - first + 1)
        position += 2 + length
    return 0 < components <= len(coded) and all(all(bands) for bands in coded.values())
