"""A bound on the structure of a file, checked before any decoder reads it.

A decoder keeps or repeats work for each segment, chunk, block, box, tag or scan, so a few megabytes of tiny ones cost
it a gigabyte or minutes. Photos have few. The scan follows the lengths in the file, copies nothing, and takes at most
the number of steps of its limits. Anything that it does not understand, it leaves to the decoder.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from generator_service.domain.errors import ImageRejected

MAX_JPEG_SEGMENTS = 1_000
"""Before the first scan. Longest known: 255 of a colour profile and 400 of extended XMP in 25 MiB."""
MAX_JPEG_SCANS = 100
"""Progressive encoders write 6 to 20."""
MAX_JPEG_SCANNED_PIXELS = 1_500_000_000
"""Of all scans; a decoder takes about 2 ns for each. The largest photo may have 20 scans of 64 megapixels."""
MAX_JPEG_JUNK_BYTES = 64 * 1024
"""Between two segments; decoders skip it byte by byte."""
MAX_PNG_CHUNKS = 1_000
MAX_PNG_DATA_CHUNKS = 100_000
"""Of pixels. Encoders write 8 KiB or more in each, some 4 KiB."""
MAX_GIF_EXTENSIONS = 1_000
"""Before the second picture; nothing behind it is read."""
MAX_GIF_SUB_BLOCKS = 250_000
"""In the same part; full ones have 255 bytes."""
MAX_TIFF_DIRECTORIES = 1_000
MAX_TIFF_TAGS = 1_000
"""In one directory."""
MAX_TIFF_VALUES = 100_000
"""Numbers of all tags of one directory, such as offsets of strips; bytes and text don't count."""
MAX_BOXES = 10_000
"""Chunks of a WebP, or boxes of a HEIF or AVIF."""

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Not a stuffed zero, a restart marker or a fill byte."""
_STANDALONE = {0x01, 0xD8}
_EOI, _SOS = 0xD9, 0xDA
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a frame, which gives the picture's height and width."""
_BYTES_OF_TIFF_TYPE = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BOX_PARENTS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0}
"""Boxes that hold boxes, and the bytes before the first one."""


def check_structure(data: bytes) -> None:
    """Check that a file has no more parts than photos have.

    Raises:
        ImageRejected: it has; its code is ``image_too_complex``.

    """
    for magic, scan in _SCANS:
        if data.startswith(magic):
            scan(data)
            return
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _scan_webp(data)
    elif data[4:8] == b"ftyp":
        _scan_boxes(data)


class _Limit:
    """Counts parts of one kind."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._left = most
        self._what = what

    def count(self, number: int = 1) -> None:
        """Count some.

        Raises:
            ImageRejected: they are too many.

        """
        self._left -= number
        if self._left < 0:
            raise ImageRejected(
                "image_too_complex",
                f"the file has more than {self._most:,} {self._what}, which no photo needs; "
                "open it in an image editor and save it again as JPEG or PNG, without metadata",
            )


def _scan_jpeg(data: bytes) -> None:
    segments = _Limit(MAX_JPEG_SEGMENTS, "metadata segments")
    scans = _Limit(MAX_JPEG_SCANS, "scans")
    scanned = _Limit(MAX_JPEG_SCANNED_PIXELS, "pixels in its scans")
    pixels = 0
    junk = _Limit(MAX_JPEG_JUNK_BYTES, "bytes between its segments")
    position, in_scan = 2, False
    while (marker := _JPEG_MARKER.search(data, position)) is not None:
        if not in_scan:
            junk.count(marker.start() - position)
        code, position = data[marker.start() + 1], marker.end()
        if code == _EOI:
            return
        if code == _SOS:
            in_scan = True
            scans.count()
            scanned.count(pixels)
        else:
            segments.count()
        if code in _SOF:
            pixels = _number(data, position + 3, ">H") * _number(data, position + 5, ">H")
        if code not in _STANDALONE:
            position += int.from_bytes(data[position : position + 2])
    if not in_scan:
        junk.count(len(data) - min(position, len(data)))


def _scan_png(data: bytes) -> None:
    chunks, pixels = _Limit(MAX_PNG_CHUNKS, "metadata chunks"), _Limit(MAX_PNG_DATA_CHUNKS, "data chunks")
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return
        (pixels if kind in {b"IDAT", b"fdAT", b"fcTL"} else chunks).count()
        position += length + 12


def _scan_gif(data: bytes) -> None:
    extensions = _Limit(MAX_GIF_EXTENSIONS, "extension blocks")
    sub_blocks = _Limit(MAX_GIF_SUB_BLOCKS, "sub-blocks")
    pictures = 0
    position = 13 + _colour_table(data[10:11])
    while position < len(data) and pictures < 2:
        match data[position]:
            case 0x21:
                extensions.count()
                position += 2
            case 0x2C:
                pictures += 1
                position += 11 + _colour_table(data[position + 9 : position + 10])
            case 0x3B:
                return
            case _:
                # Decoders skip a byte that begins no block.
                extensions.count()
                position += 1
                continue
        while position < len(data) and (length := data[position]):
            sub_blocks.count()
            position += 1 + length
        position += 1


def _colour_table(flags: bytes) -> int:
    return 3 << (flags[0] % 8 + 1) if flags and flags[0] & 0x80 else 0


def _scan_tiff(data: bytes) -> None:
    order = "<" if data.startswith(b"II") else ">"
    directories = _Limit(MAX_TIFF_DIRECTORIES, "directories")
    offset = _number(data, 4, order + "I")
    seen: set[int] = set()
    # Decoders end at a directory that they have read before.
    while offset and offset not in seen:
        seen.add(offset)
        directories.count()
        entries = _number(data, offset, order + "H")
        _Limit(MAX_TIFF_TAGS, "tags").count(entries)
        values = _Limit(MAX_TIFF_VALUES, "values in its tags")
        for position in range(offset + 2, min(offset + 2 + 12 * entries, len(data) - 11), 12):
            kind, count = struct.unpack_from(order + "HI", data, position + 2)
            # More than the file can hold is an error that the decoder names.
            if _BYTES_OF_TIFF_TYPE.get(kind, len(data)) * count <= len(data):
                values.count(count)
        offset = _number(data, offset + 2 + 12 * entries, order + "I")


def _number(data: bytes, position: int, kind: str) -> int:
    """Read a number; 0 where the file has ended."""
    if position + struct.calcsize(kind) > len(data):
        return 0
    number: int = struct.unpack_from(kind, data, position)[0]
    return number


def _scan_webp(data: bytes) -> None:
    chunks = _Limit(MAX_BOXES, "chunks")
    position = 12
    while position + 8 <= len(data):
        chunks.count()
        length = _number(data, position + 4, "<I")
        position += 8 + length + length % 2


def _scan_boxes(data: bytes) -> None:
    boxes = _Limit(MAX_BOXES, "boxes")
    parts = [(0, len(data))]
    while parts:
        for kind, begin, end in _boxes(data, *parts.pop()):
            boxes.count()
            if kind in _BOX_PARENTS:
                parts.append((begin + _BOX_PARENTS[kind], end))


def _boxes(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box, and where its content begins and ends."""
    while position + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, position)
        begin = position + 8
        if length == 1:
            length, begin = _number(data, begin, ">Q"), begin + 8
        after = end if length == 0 else position + length
        if after < begin or after > end:
            return
        yield kind, begin, after
        position = after


_SCANS: tuple[tuple[bytes, Callable[[bytes], None]], ...] = (
    (b"\xff\xd8\xff", _scan_jpeg),
    (b"\x89PNG\r\n\x1a\n", _scan_png),
    (b"GIF8", _scan_gif),
    (b"II*\0", _scan_tiff),
    (b"MM\0*", _scan_tiff),
)
