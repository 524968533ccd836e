"""Files of tiny parts: small, yet they once cost a decoder a gigabyte or minutes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from PIL import Image

from tests.support.photos import product_photo


def gif_comments(size: int) -> bytes:
    """A GIF with comments of one letter."""
    whole = product_photo(64, 64, "GIF")
    picture = 13 + (3 << (whole[10] % 8 + 1))  # after the colour table
    comment = b"\x21\xfe\x01A\0"
    return whole[:picture] + comment * (size // len(comment)) + whole[picture:]


def jpeg_segments(size: int) -> bytes:
    """A JPEG with empty APP5 segments."""
    whole = product_photo(64, 64, "JPEG")
    segment = b"\xff\xe5\0\x02"
    return whole[:2] + segment * (size // len(segment)) + whole[2:]


def jpeg_scans(size: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    whole = product_photo(64, 64, "JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * (size // len(scan)) + whole[-2:]


def jpeg_fill(size: int) -> bytes:
    """A JPEG with fill bytes before its first segment."""
    whole = product_photo(64, 64, "JPEG")
    return whole[:2] + b"\xff" * size + whole[2:]


def png_texts(size: int) -> bytes:
    """A PNG with empty text chunks."""
    whole = product_photo(64, 64)
    chunk = b"\0\0\0\0tEXt\0\0\0\0"
    return whole[:33] + chunk * (size // len(chunk)) + whole[33:]


def tiff_strips(size: int) -> bytes:
    """A TIFF whose directory lists as many strips as fit."""
    return b"II*\0" + struct.pack("<I", 8) + _strips(size // 8, 8)


def _strips(strips: int, begin: int) -> bytes:
    """Return a directory that begins at an offset of the file, with its offsets and lengths of strips."""
    tags = [(256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (273, None), (277, 1), (278, 1), (279, None)]
    values = begin + 2 + 12 * len(tags) + 4
    file = bytearray(struct.pack("<H", len(tags)))
    for tag, value in tags:
        count, number = (1, value) if value is not None else (strips, values + (tag == 279) * 4 * strips)
        file += struct.pack("<HHII", tag, 4, count, number)
    return bytes(file) + bytes(4) + struct.pack("<I", 8) * strips + struct.pack("<I", 1) * strips


def tiff_second_page(size: int) -> bytes:
    """A TIFF whose photo is behind a thumbnail, and lists as many strips as fit."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "TIFF", tiffinfo={254: 1})
    whole = bytearray(file.getvalue())
    (first,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, first)
    begin = len(whole)
    struct.pack_into("<I", whole, first + 2 + 12 * entries, begin)
    return bytes(whole) + _strips(size // 8, begin)


def tiff_directories(size: int) -> bytes:
    """A TIFF with a chain of empty directories after the first."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "TIFF")
    whole = bytearray(file.getvalue())
    (first,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, first)
    chain = len(whole)
    struct.pack_into("<I", whole, first + 2 + 12 * entries, chain)
    count = (size - chain) // 6
    return bytes(whole) + b"".join(struct.pack("<HI", 0, chain + 6 * number) for number in range(1, count + 1))


def webp_chunks(size: int) -> bytes:
    """A WebP with empty chunks."""
    whole = product_photo(64, 64, "WEBP")
    chunk = b"JUNK\0\0\0\0"
    return whole + chunk * (size // len(chunk))


def avif_boxes(size: int) -> bytes:
    """An AVIF with empty boxes."""
    whole = product_photo(64, 64, "AVIF")
    box = b"\0\0\0\x08free"
    return whole + box * (size // len(box))


FLOODS: dict[str, Callable[[int], bytes]] = {
    make.__name__: make
    for make in (
        gif_comments,
        jpeg_segments,
        jpeg_scans,
        jpeg_fill,
        png_texts,
        tiff_strips,
        tiff_second_page,
        tiff_directories,
        webp_chunks,
        avif_boxes,
    )
}
"""By name; each takes the size in bytes."""
