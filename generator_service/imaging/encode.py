"""The file: as small as asked, and its border exactly the background after decoding.

Its metadata are the sRGB profile and, where a model made the picture, a note that says so; nothing else.

JPEG and lossy WebP may move a flat 255 by rounding, so every lossy file is decoded again before it is handed out.
A limit of bytes is met by searching the quality, never by giving up the border.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from generator_service.domain.task import OutputFormat

Pixels = NDArray[np.uint8]
Colour = tuple[int, ...]

BORDER_SHARE = 0.005
"""Depth of the border that must be exact, as a share of the side; at least a pixel."""
THUMBNAIL_SIDE = 320

BEST_QUALITY, WORST_QUALITY = 95, 30
_STEPS_DOWN = (0, 3, 6, 10)
"""How far below the best quality that is small enough to look for one that keeps the border."""
_TOP_QUALITIES = (98, 100)
_PALETTES = (255, 128, 64, 32)

_GENERATED_XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
"""What Google Merchant, among others, asks for in pictures made by generative AI."""

_SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPicture:
    """A file and what is to be said about it."""

    data: bytes
    pixels: Pixels
    """The file decoded again, in the shape of what was encoded."""
    warnings: tuple[str, ...] = ()


def encode(
    pixels: Pixels, output: OutputFormat, background: Colour, max_bytes: int | None, *, generated: bool = False
) -> EncodedPicture:
    """Encode a square: N×N×3 sRGB, N×N×4 with alpha, or an N×N mask. The best file that keeps border and limit wins.

    ``background`` is what the border shall be, a number per channel; see `border_is`. If no file is small enough,
    the smallest one with an exact border is returned with a warning. A ``generated`` picture says so in its metadata.
    """
    image = Image.fromarray(pixels)
    image.info["generated"] = generated
    # A product that reaches the edge by the caller's own wish can't leave a clean border.
    clean = border_is(pixels, background)
    smallest: bytes | None = None
    data = b""
    for data in _candidates(image, output, background, max_bytes):
        seen = decoded(data, image.mode)
        if clean and not border_is(seen, background):
            continue
        if max_bytes is None or len(data) <= max_bytes:
            return EncodedPicture(data=data, pixels=seen)
        if smallest is None or len(data) < len(smallest):
            smallest = data
    if smallest is None:
        # Lossy blocks at the border hold product: only a fill close to 1 brings it to this.
        return EncodedPicture(
            data=data,
            pixels=decoded(data, image.mode),
            warnings=("The border is not exactly the background colour; choose PNG as the format, or a lower fill.",),
        )
    return EncodedPicture(
        data=smallest,
        pixels=decoded(smallest, image.mode),
        warnings=(
            f"The file has {len(smallest):,} bytes, over the limit of {max_bytes:,}; choose a smaller size, or JPEG.",
        ),
    )


def thumbnail(pixels: Pixels) -> bytes:
    """Encode a JPEG of at most 320 pixels; what is clear becomes white."""
    side = min(THUMBNAIL_SIDE, pixels.shape[0])
    small = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    image = Image.fromarray(small)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return _save(image.convert("RGB"), "JPEG", quality=85)


def border_depth(side: int) -> int:
    """Return how many pixels deep the border is that must be exact."""
    return max(1, round(BORDER_SHARE * side))


def border_difference(pixels: Pixels, colour: Colour) -> int:
    """Return by how much, of 255, the border differs from a colour where it does most; of RGBA its alpha counts."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels, colour = pixels[:, :, 3], colour[3:]
    depth = border_depth(pixels.shape[0])
    wanted = np.array(colour if pixels.ndim == 3 else colour[0], np.int16)
    sides = (pixels[:depth], pixels[-depth:], pixels[:, :depth], pixels[:, -depth:])
    return max(int(np.abs(side - wanted).max()) for side in sides)


def border_is(pixels: Pixels, colour: Colour) -> bool:
    """Tell whether the whole border of a picture is exactly one colour; of RGBA, whether it is as clear."""
    return border_difference(pixels, colour) == 0


def decoded(data: bytes, mode: str) -> Pixels:
    """Decode a file of our own making, as a viewer would; ``mode`` is RGB, RGBA or L."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode), np.uint8)


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    profile = None if image.mode == "L" else _SRGB_PROFILE  # A mask has no colours.
    if image.info.get("generated"):
        options |= _generated(kind)
    image.save(buffer, kind, icc_profile=profile, **options)
    return buffer.getvalue()


def _generated(kind: str) -> dict[str, object]:
    """Return the options that write the note into a file of one kind."""
    if kind != "PNG":
        return {"xmp": _GENERATED_XMP}
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", _GENERATED_XMP.decode())
    return {"pnginfo": info}


def _candidates(image: Image.Image, output: OutputFormat, background: Colour, max_bytes: int | None) -> Iterator[bytes]:
    """Yield files of one format, best first; each is encoded only when asked for."""
    match output:
        case OutputFormat.PNG:
            return _png_files(image, background)
        case OutputFormat.JPEG:
            return _jpeg_files(image, max_bytes)
        case OutputFormat.WEBP:
            return _webp_files(image, max_bytes)


def _png_files(image: Image.Image, background: Colour) -> Iterator[bytes]:
    yield _save(image, "PNG", compress_level=3)
    yield _save(image, "PNG", compress_level=9)
    for colours in _PALETTES if image.mode != "L" else ():
        yield _save(_with_palette(image, background, colours), "PNG", optimize=True)


def _with_palette(image: Image.Image, background: Colour, colours: int) -> Image.Image:
    """Reduce to a palette of at most 255 colours and, exactly, the background."""
    reduced = image.quantize(colours, dither=Image.Dither.NONE)
    indices = np.array(reduced)
    channels = len(image.mode)
    palette = (reduced.getpalette(image.mode) or [])[: 255 * channels]
    palette += [0] * (255 * channels - len(palette)) + list(background)
    indices[(np.asarray(image) == np.array(background, np.uint8)).all(axis=2)] = 255
    result = Image.frombytes("P", image.size, indices.tobytes())
    result.putpalette(palette, image.mode)
    result.info = image.info
    return result


def _jpeg_files(image: Image.Image, max_bytes: int | None) -> Iterator[bytes]:
    # A mask is grey already; a picture keeps its colours at full resolution.
    ways: tuple[dict[str, object], ...] = ({},)
    if image.mode == "RGB":
        # Most colours but white don't survive the way through YCbCr: the second way stores RGB as it is.
        ways = ({"subsampling": "4:4:4"}, {"subsampling": "4:4:4", "keep_rgb": True})
    for way in ways:

        def save(quality: int, way: dict[str, object] = way) -> bytes:
            return _save(image, "JPEG", quality=quality, optimize=True, **way)

        yield from _searched(save, max_bytes)
        for quality in _TOP_QUALITIES:
            yield save(quality)


def _webp_files(image: Image.Image, max_bytes: int | None) -> Iterator[bytes]:
    if image.mode == "L":
        image = image.convert("RGB")
    yield _save(image, "WEBP", lossless=True, exact=True, quality=50, method=3)
    yield from _searched(lambda quality: _save(image, "WEBP", quality=quality, method=4), max_bytes)


def _searched(save: Callable[[int], bytes], max_bytes: int | None) -> Iterator[bytes]:
    """Yield the file of the highest quality that is small enough, then some of lower ones."""
    best = BEST_QUALITY
    data = save(best)
    if max_bytes is not None and len(data) > max_bytes:
        # The file grows with the quality, so halving finds the border between fitting and not.
        low, high = WORST_QUALITY, BEST_QUALITY
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if len(save(middle)) <= max_bytes else (low, middle)
        best = low
        data = save(best)
    yield data
    for step in _STEPS_DOWN[1:]:
        if best - step >= WORST_QUALITY:
            yield save(best - step)
