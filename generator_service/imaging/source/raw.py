"""Names files that look like photos but can't be used: camera RAW, BigTIFF, floating-point TIFF.

Most RAW formats are TIFF containers whose first image is a thumbnail, so a TIFF reader accepts them and returns that.
Only structure counts, never a file name. Every read is bounded: directories, entries and values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAGIC = (
    (b"FUJIFILMCCD-RAW", "a camera RAW file (RAF)"),
    (b"II\x1a\0\0\0HEAPCCDR", "a camera RAW file (CRW)"),
    (b"IIU\0", "a camera RAW file (RW2)"),
    (b"IIRO", "a camera RAW file (ORF)"),
    (b"IIRS", "a camera RAW file (ORF)"),
    (b"MMOR", "a camera RAW file (ORF)"),
    (b"FOVb", "a camera RAW file (X3F)"),
    (b"\0MRM", "a camera RAW file (MRW)"),
    (b"II+\0", "a BigTIFF file"),
    (b"MM\0+", "a BigTIFF file"),
)
_RAW_BRANDS = (b"crx ",)

_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS = 254, 259, 262, 271, 330
_SAMPLE_FORMAT, _CFA_PATTERN, _DNG_VERSION = 339, 33422, 50706
_REDUCED, _MASK = 1, 4
_RAW_PHOTOMETRICS = (32803, 34892)
"""Colour filter array and LinearRaw."""
_RAW_COMPRESSIONS = {34713: "NEF", 32767: "ARW", 32770: "SRW", 65535: "PEF", 65000: "DCR"}
_RAW_MAKERS = (("nikon", "NEF"), ("sony", "ARW"), ("canon", "CR2"), ("pentax", "PEF"), ("samsung", "SRW"))
_FLOAT = 3
_MAX_IFDS, _MAX_ENTRIES, _MAX_VALUES = 16, 512, 8
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I"}

Tags = dict[int, tuple[int, ...] | bytes]


def unsupported(data: bytes) -> str | None:
    """Return the kind of a file, such as ``a camera RAW file (DNG)``, if it is not supported."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp" and data[8:12] in _RAW_BRANDS:
        return "a camera RAW file (CR3)"
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return _unsupported_tiff(data)
    return None


def full_pages(data: bytes) -> list[int]:
    """Return the indices of the pages of a TIFF that are neither thumbnails nor masks; all of them where all are."""
    kinds = [_number(tags, _SUBFILE_TYPE) or 0 for tags in _pages(data)]
    full = [index for index, kind in enumerate(kinds) if not kind & (_REDUCED | _MASK)]
    return full or list(range(len(kinds)))


def _unsupported_tiff(data: bytes) -> str | None:
    if data[8:10] == b"CR" and data[10:11] in {b"\x02", b"\x03"}:
        return "a camera RAW file (CR2)"
    pages = list(_pages(data))
    directories = pages + [sub for page in pages for sub in _sub_directories(data, page)]
    maker = next((make for tags in pages if (make := _text(tags, _MAKE))), "")
    kind = next((kind for name, kind in _RAW_MAKERS if name in maker.lower()), "")
    for tags in directories:
        if _DNG_VERSION in tags:
            return "a camera RAW file (DNG)"
        compressed = _RAW_COMPRESSIONS.get(_number(tags, _COMPRESSION) or 0)
        if _number(tags, _PHOTOMETRIC) in _RAW_PHOTOMETRICS or _CFA_PATTERN in tags or compressed:
            return f"a camera RAW file ({kind or compressed or 'TIFF based'})"
    # A camera's file whose pages are all thumbnails: the photo itself is kept where no TIFF reader looks.
    if maker and pages and all((_number(tags, _SUBFILE_TYPE) or 0) & _REDUCED for tags in pages):
        return f"a camera RAW file ({kind or 'TIFF based'})"
    if pages and _number(pages[full_pages(data)[0]], _SAMPLE_FORMAT) == _FLOAT:
        return "a floating-point TIFF file"
    return None


def _pages(data: bytes) -> Iterator[Tags]:
    order = "<" if data[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(f"{order}I", data, 4) if len(data) >= 8 else (0,)
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < _MAX_IFDS:
        seen.add(offset)
        found = _directory(data, offset, order)
        if found is None:
            return
        tags, offset = found
        yield tags


def _sub_directories(data: bytes, page: Tags) -> Iterator[Tags]:
    order = "<" if data[:2] == b"II" else ">"
    offsets = page.get(_SUB_IFDS, ())
    for offset in offsets if isinstance(offsets, tuple) else ():
        found = _directory(data, offset, order)
        if found is not None:
            yield found[0]


def _directory(data: bytes, offset: int, order: str) -> tuple[Tags, int] | None:
    """Read one directory; return its tags and where the next one is. None where it lies outside the file."""
    if offset + 2 > len(data):
        return None
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    if count > _MAX_ENTRIES or offset + 2 + 12 * count > len(data):
        return None
    tags: Tags = {}
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, entry)
        tags[tag] = _value(data, entry + 8, order, kind, length)
    end = offset + 2 + 12 * count
    (following,) = struct.unpack_from(f"{order}I", data, end) if end + 4 <= len(data) else (0,)
    return tags, following


def _value(data: bytes, at: int, order: str, kind: int, length: int) -> tuple[int, ...] | bytes:
    """Read up to `_MAX_VALUES` integers, or 64 characters; empty for other types and values outside the file."""
    text = kind == 2
    code = "s" if text else _TYPES.get(kind, "")
    if not code:
        return ()
    size = length * struct.calcsize(code)
    start = at if size <= 4 else struct.unpack_from(f"{order}I", data, at)[0]
    if text:
        return bytes(data[start : start + min(length, 64)])
    count = min(length, _MAX_VALUES)
    if start + count * struct.calcsize(code) > len(data):
        return ()
    values: tuple[int, ...] = struct.unpack_from(f"{order}{count}{code}", data, start)
    return values


def _number(tags: Tags, tag: int) -> int | None:
    values = tags.get(tag, ())
    return values[0] if isinstance(values, tuple) and values else None


def _text(tags: Tags, tag: int) -> str:
    value = tags.get(tag, b"")
    return value.rstrip(b"\0 ").decode("latin-1") if isinstance(value, bytes) else ""
