"""The file: as small as asked, its border exactly the background after decoding, no metadata but the sRGB profile.

JPEG and lossy WebP may move a flat 255 by rounding, so every lossy file is decoded again before it is handed out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from generator_service.domain.task import OutputFormat

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

BORDER_SHARE = 0.005
"""Depth of the border that must be exact, as a share of the side; at least a pixel."""
THUMBNAIL_SIDE = 320

_SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_QUALITIES = (95, 92, 89, 86, 82, 78, 74, 70, 65, 60, 55, 50, 45, 40, 35, 30)
_TOP_QUALITIES = (95, 98, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPicture:
    """A file and what is to be said about it."""

    data: bytes
    warnings: tuple[str, ...] = ()


def encode(pixels: Pixels, output: OutputFormat, background: Colour, max_bytes: int | None) -> EncodedPicture:
    """Encode a square N×N×3 sRGB picture; the first candidate that is small enough and keeps the border wins.

    Lossless files come first where the format has them. If no candidate is small enough, the smallest one with an
    exact border is returned with a warning.
    """
    image = Image.fromarray(pixels)
    # A product that reaches the edge by the caller's own wish can't leave a clean border.
    clean = border_is(pixels, background)
    smallest: bytes | None = None
    data = b""
    for data in _candidates(image, output, background):
        if clean and not border_is(_decoded(data), background):
            continue
        if max_bytes is None or len(data) <= max_bytes:
            return EncodedPicture(data=data)
        if smallest is None or len(data) < len(smallest):
            smallest = data
    if smallest is None:
        # Lossy blocks at the border hold product: only a fill close to 1 brings it to this.
        return EncodedPicture(
            data=data,
            warnings=("The border is not exactly the background colour; choose PNG as the format, or a lower fill.",),
        )
    return EncodedPicture(
        data=smallest,
        warnings=(
            f"The file has {len(smallest):,} bytes, over the limit of {max_bytes:,}; choose a smaller size, or JPEG.",
        ),
    )


def thumbnail(pixels: Pixels) -> bytes:
    """Encode a JPEG of at most 320 pixels."""
    side = min(THUMBNAIL_SIDE, pixels.shape[0])
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return _save(Image.fromarray(np.asarray(small, np.uint8)), "JPEG", quality=85)


def border_is(pixels: Pixels, colour: Colour) -> bool:
    """Tell whether the whole border of a picture is exactly one colour."""
    depth = max(1, round(BORDER_SHARE * pixels.shape[0]))
    sides = (pixels[:depth], pixels[-depth:], pixels[:, :depth], pixels[:, -depth:])
    return all(bool((side == np.array(colour, np.uint8)).all()) for side in sides)


def _decoded(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, icc_profile=_SRGB_PROFILE, **options)
    return buffer.getvalue()


def _candidates(image: Image.Image, output: OutputFormat, background: Colour) -> Iterator[bytes]:
    """Yield files of one format, best first; each is encoded only when asked for."""
    match output:
        case OutputFormat.PNG:
            return _png_files(image, background)
        case OutputFormat.JPEG:
            return _jpeg_files(image)
        case OutputFormat.WEBP:
            return _webp_files(image)


def _png_files(image: Image.Image, background: Colour) -> Iterator[bytes]:
    yield _save(image, "PNG", compress_level=3)
    for colours in (255, 128, 64, 32):
        yield _save(_with_palette(image, background, colours), "PNG", optimize=True)


def _with_palette(image: Image.Image, background: Colour, colours: int) -> Image.Image:
    """Reduce to a palette of at most 255 colours and, exactly, the background."""
    reduced = image.quantize(colours, dither=Image.Dither.NONE)
    indices = np.array(reduced)
    palette = (reduced.getpalette() or [])[: 255 * 3]
    palette += [0] * (255 * 3 - len(palette)) + list(background)
    indices[(np.asarray(image) == np.array(background, np.uint8)).all(axis=2)] = 255
    result = Image.frombytes("P", image.size, indices.tobytes())
    result.putpalette(palette)
    return result


def _jpeg_files(image: Image.Image) -> Iterator[bytes]:
    options = {"subsampling": "4:4:4", "optimize": True}
    for quality in _QUALITIES:
        yield _save(image, "JPEG", quality=quality, **options)
    for quality in _TOP_QUALITIES:
        yield _save(image, "JPEG", quality=quality, **options)
    # Most colours but white don't survive the way through YCbCr: store RGB as it is.
    for quality in (*_QUALITIES, *_TOP_QUALITIES):
        yield _save(image, "JPEG", quality=quality, keep_rgb=True, **options)


def _webp_files(image: Image.Image) -> Iterator[bytes]:
    yield _save(image, "WEBP", lossless=True, quality=50, method=3)
    for quality in _QUALITIES:
        yield _save(image, "WEBP", quality=quality, method=4)
