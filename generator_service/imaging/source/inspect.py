"""Read a photo's header and accept or reject the photo, without decoding pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.header import PhotoHeader
from generator_service.imaging.source.raw import full_pages, unsupported
from generator_service.imaging.source.structure import check_structure

MAX_PHOTO_BYTES = 25 * 1024 * 1024
MAX_PHOTO_PIXELS = 64_000_000
MIN_PHOTO_SIDE = 16
# Pillow's own limit is a process-wide setting that warns before our check and, within its readers, raises an
# error that no caller expects: only our limit applies.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "HEIF", "AVIF")

DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
"""Errors that Pillow and its plugins raise for bytes that don't match their header."""


def inspect_photo(data: bytes) -> PhotoHeader:
    """Read the header of a photo.

    Raises:
        ImageRejected: the file is not accepted. The code is ``image_empty``, ``image_too_large``,
            ``image_not_recognised``, ``image_unsupported``, ``image_too_complex``, ``image_too_many_pixels`` or
            ``image_too_small``.

    """
    with open_photo(data) as image:
        return PhotoHeader(format=_format_of(image), width=image.width, height=image.height)


def open_photo(data: bytes) -> ImageFile.ImageFile:
    """Open a photo lazily: header read and checked, pixels not decoded. The caller closes it.

    Raises:
        ImageRejected: as `inspect_photo`.

    """
    if not data:
        raise ImageRejected("image_empty", "the file is empty; send the photo's bytes")
    if len(data) > MAX_PHOTO_BYTES:
        raise ImageRejected(
            "image_too_large",
            f"the file has {len(data) / 2**20:.1f} MiB; at most {MAX_PHOTO_BYTES // 2**20} MiB are taken: "
            "save it smaller or with more compression",
        )
    if (kind := unsupported(data)) is not None:
        raise ImageRejected(
            "image_unsupported", f"the file is {kind}, which is not supported; export it as JPEG, PNG or 8-bit TIFF"
        )
    check_structure(data)
    opener = _opener(data)
    if opener is None:
        raise _not_recognised()
    try:
        image = opener(io.BytesIO(data))
        if image.format == "TIFF" and (pages := full_pages(data)):
            image.seek(pages[0])
    except Image.DecompressionBombError as error:
        # Raised for a frame larger than the file's own header states: Pillow's limit lies above ours.
        raise ImageRejected(
            "image_too_many_pixels", f"the photo has over {MAX_PHOTO_PIXELS / 1e6:.0f} megapixels: scale it down first"
        ) from error
    except DAMAGED as error:
        raise _not_recognised() from error
    _check_size(image.width, image.height)
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PHOTO_PIXELS:
        raise ImageRejected(
            "image_too_many_pixels",
            f"the photo has {width} × {height} = {width * height / 1e6:.0f} megapixels; "
            f"at most {MAX_PHOTO_PIXELS / 1e6:.0f} are taken: scale it down first",
        )
    if min(width, height) < MIN_PHOTO_SIDE:
        raise ImageRejected(
            "image_too_small",
            f"the photo has {width} × {height} pixels; at least {MIN_PHOTO_SIDE} on each side are needed",
        )


def _not_recognised() -> ImageRejected:
    return ImageRejected("image_not_recognised", f"the file is no photo that can be read; send {', '.join(FORMATS)}")


_Opener = Callable[[io.BytesIO], ImageFile.ImageFile]


def _opener(data: bytes) -> _Opener | None:
    """Choose the reader by the first bytes: no reader that is not meant to be used ever sees a photo."""
    for magic, opener in _OPENERS:
        if data.startswith(magic):
            return opener
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if data[4:8] == b"ftyp":
        return AvifImagePlugin.AvifImageFile if _brands(data) & {b"avif", b"avis"} else pillow_heif.HeifImageFile
    return None


def _brands(data: bytes) -> set[bytes]:
    """Return the major and the compatible brands of an ISO base media file."""
    end = min(int.from_bytes(data[:4]), len(data), 256)
    return {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}


_OPENERS: tuple[tuple[bytes, _Opener], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"GIF87a", GifImagePlugin.GifImageFile),
    (b"GIF89a", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
)


def _format_of(image: Image.Image) -> str:
    # A phone's JPEG with a second picture in it (depth, gain map) is MPO to Pillow.
    return "JPEG" if image.format == "MPO" else str(image.format)
