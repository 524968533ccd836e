"""Writes parts of image files that Pillow's writers don't support."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

SHORT, LONG, ASCII, BYTE = 3, 4, 2, 1
_SIZES = {SHORT: "H", LONG: "I", BYTE: "B"}

Entry = tuple[int, int, Sequence[int] | bytes]
"""Tag, type and values."""


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Make a chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_png_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Insert chunks right after the header of a PNG."""
    end = 8 + 12 + 13
    return png[:end] + b"".join(png_chunk(name, body) for name, body in chunks) + png[end:]


def png_file(width: int, height: int, depth: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Make a PNG of raw rows, each without its filter byte."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    body = b"".join(png_chunk(name, content) for name, content in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + body + png_chunk(b"IDAT", zlib.compress(filtered)) + png_chunk(b"IEND", b"")


def tiff_file(*pages: Sequence[Entry], pixels: bytes = b"", order: str = "<", sub: Sequence[Entry] = ()) -> bytes:
    """Make a TIFF of directories; ``pixels`` lie at offset 8, the directory ``sub`` is the first page's SubIFD."""
    data = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + pixels
    data += bytes(len(data) % 2)
    sub_offset = len(data)
    if sub:
        data += _directory(sub, sub_offset, order)
    link = 4
    for number, page in enumerate(pages):
        entries = [*page, (330, LONG, (sub_offset,))] if sub and number == 0 else list(page)
        offset = len(data)
        data = data[:link] + struct.pack(f"{order}I", offset) + data[link + 4 :]
        link = offset + 2 + 12 * len(entries)
        data += _directory(entries, offset, order)
    return data


def _directory(entries: Sequence[Entry], offset: int, order: str) -> bytes:
    head, tail = struct.pack(f"{order}H", len(entries)), b""
    after = offset + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries, key=lambda entry: entry[0]):
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
        head += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(raw) <= 4:
            head += raw.ljust(4, b"\0")
        else:
            head += struct.pack(f"{order}I", after + len(tail))
            tail += raw + bytes(len(raw) % 2)
    return head + bytes(4) + tail


def rgb_page(side: int, *more: Entry, subfile: int = 0) -> list[Entry]:
    """Describe a page of side × side RGB pixels at offset 8."""
    return [
        (254, LONG, (subfile,)),
        (256, LONG, (side,)),
        (257, LONG, (side,)),
        (258, SHORT, (8, 8, 8)),
        (259, SHORT, (1,)),
        (262, SHORT, (2,)),
        (273, LONG, (8,)),
        (277, SHORT, (3,)),
        (278, LONG, (side,)),
        (279, LONG, (side * side * 3,)),
        *more,
    ]


def box(kind: bytes, *parts: bytes) -> bytes:
    """Make a box of an ISO base media file."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body
