"""What a file states about its colours: an ICC profile, code points, or gamma and chromaticities.

Where a file states several, the one that its format prefers counts: of PNG cICP, iCCP, sRGB, gAMA with cHRM
(PNG third edition), of HEIF and AVIF the profile before the code points.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ExifTags, Image

from generator_service.domain.finding import Finding
from generator_service.imaging.source.colour import ADOBE_RGB, BT709, Chromaticities, Encoding, Transfer

_ADOBE_GAMMA = 2.19921875
_SRGB_GAMMA = (0.450, 0.460)
"""Encoding exponents that writers state beside sRGB pixels: about 1 / 2.2."""
_SANE_GAMMA = (0.1, 4.0)
_UNCALIBRATED, _EXIF_ADOBE_RGB = 0xFFFF, 2
_MAX_CHUNKS, _MAX_BOXES = 1000, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """The statement that counts. Neither where there is none: sRGB."""

    profile: bytes | None = None
    """An ICC profile."""
    encoding: Encoding | None = None
    findings: tuple[Finding, ...] = ()


def read_colour_tags(image: Image.Image, data: bytes) -> ColourTags:
    """Read them from a file's bytes, and from what Pillow found in them."""
    icc = image.info.get("icc_profile")
    profile = icc if isinstance(icc, bytes) and icc else None
    match image.format:
        case "PNG":
            return _of_png(dict(_png_chunks(data)), profile)
        case "HEIF":
            nclx = image.info.get("nclx_profile")
            return (
                ColourTags(profile=profile)
                if profile or not nclx
                else _of_codes(nclx["color_primaries"], nclx["transfer_characteristics"], full_range=True)
            )
        case "AVIF":
            codes = None if profile else _nclx(data)
            return ColourTags(profile=profile) if codes is None else _of_codes(*codes, full_range=True)
        case _:
            adobe = profile is None and image.mode == "RGB" and _is_adobe_rgb(image)
            encoding = Encoding(primaries=ADOBE_RGB, transfer=Transfer.GAMMA, gamma=_ADOBE_GAMMA) if adobe else None
            return ColourTags(profile=profile, encoding=encoding)


def _of_codes(primaries: int, transfer: int, *, full_range: bool) -> ColourTags:
    encoding = Encoding.of_codes(primaries, transfer, full_range=full_range)
    if encoding is None:
        return ColourTags(findings=(unsupported_colours(f"primaries {primaries} with transfer {transfer}"),))
    return ColourTags(encoding=encoding)


def unsupported_colours(what: str) -> Finding:
    """Return the finding about colour information that can't be used."""
    return Finding(
        code="unsupported_colours",
        message=f"The photo's colour information is not supported ({what}); "
        "its colours were read as sRGB and may be off.",
    )


def _of_png(chunks: dict[bytes, bytes], profile: bytes | None) -> ColourTags:
    findings: tuple[Finding, ...] = ()
    cicp = chunks.get(b"cICP", b"")
    if len(cicp) == 4:
        primaries, transfer, matrix, full_range = cicp
        tags = _of_codes(primaries, transfer, full_range=full_range != 0)
        if matrix == 0 and tags.encoding is not None:
            return tags
        findings = tags.findings or (unsupported_colours(f"cICP matrix {matrix}"),)
    if profile is not None or b"iCCP" in chunks:
        return ColourTags(profile=profile, findings=findings)
    if b"sRGB" in chunks:
        return ColourTags(findings=findings)
    encoding, problem = _of_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    return ColourTags(encoding=encoding, findings=(*findings, *problem))


def _of_gamma(gama: bytes, chrm: bytes) -> tuple[Encoding | None, tuple[Finding, ...]]:
    primaries: Chromaticities = BT709
    if len(chrm) == 32:
        white_x, white_y, *rest = (value / 100_000 for value in struct.unpack(">8I", chrm))
        primaries = (*rest, white_x, white_y)
    stated = struct.unpack(">I", gama)[0] / 100_000 if len(gama) == 4 else None
    if stated is not None and not _SANE_GAMMA[0] <= stated <= _SANE_GAMMA[1]:
        return None, (unsupported_colours(f"gAMA {stated:g}"),)
    if stated is None or _SRGB_GAMMA[0] <= stated <= _SRGB_GAMMA[1]:
        return Encoding(primaries=primaries), ()
    return Encoding(primaries=primaries, transfer=Transfer.GAMMA, gamma=1.0 / stated), ()


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks before the pixels: name and, of short ones, content."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, at)
        if name in {b"IDAT", b"IEND"}:
            return
        yield name, data[at + 8 : at + 8 + length] if length <= 32 else b""
        at += 12 + length


def _nclx(data: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer of the main picture of an ISO base media file, from its colr box of type nclx."""
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), b"")[4:]
    inside = dict(_boxes(meta))
    properties = dict(_boxes(inside.get(b"iprp", b"")))
    available = list(_boxes(properties.get(b"ipco", b"")))
    mine = _associated(properties.get(b"ipma", b""), _primary_item(inside.get(b"pitm", b"")))
    for index, (kind, body) in enumerate(available, start=1):
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 10 and (index in mine or not mine):
            primaries, transfer = struct.unpack_from(">HH", body, 4)
            return primaries, transfer
    return None


def _primary_item(pitm: bytes) -> int | None:
    size = 2 if pitm[:1] == b"\0" else 4
    return int.from_bytes(pitm[4 : 4 + size]) if len(pitm) >= 4 + size else None


def _associated(ipma: bytes, item: int | None) -> set[int]:
    """Return the numbers of the properties of an item, counted from 1."""
    if len(ipma) < 8 or item is None:
        return set()
    id_size, index_size = (2 if ipma[0] == 0 else 4), (2 if ipma[3] & 1 else 1)
    at = 8
    for _ in range(min(int.from_bytes(ipma[4:8]), _MAX_BOXES)):
        found = int.from_bytes(ipma[at : at + id_size])
        count = int.from_bytes(ipma[at + id_size : at + id_size + 1])
        at += id_size + 1
        if found == item:
            mask = (1 << (8 * index_size - 1)) - 1  # The first bit marks the property as essential.
            return {int.from_bytes(ipma[at + n * index_size : at + (n + 1) * index_size]) & mask for n in range(count)}
        at += count * index_size
    return set()


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        if size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF states Adobe RGB, as cameras do instead of embedding a profile."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        interop = exif.get_ifd(ExifTags.IFD.Interop).get(1)
    except (ValueError, TypeError, LookupError, OSError, SyntaxError, struct.error):
        return False
    return space == _EXIF_ADOBE_RGB or (space == _UNCALIBRATED and interop in {"R03", "R03\0", b"R03"})
