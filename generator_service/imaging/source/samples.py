"""The samples of a decoded file as arrays: its colours in 8-bit sRGB, with a separate alpha channel."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from generator_service.domain.finding import Finding
from generator_service.imaging.source import cmyk
from generator_service.imaging.source.colour import Encoding, to_8_bits, to_srgb
from generator_service.imaging.source.colour_tags import ColourTags, unsupported_colours
from generator_service.imaging.source.inspect import DAMAGED

Pixels = NDArray[np.uint8]
Samples = NDArray[np.uint8] | NDArray[np.uint16]

_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
_NO_CMYK_PROFILE = Finding(
    code="cmyk_without_profile",
    message="The CMYK photo has no usable colour profile; its colours were converted as for offset print "
    "on coated paper and may be off.",
)
_GAMUT = np.stack(np.meshgrid(*[np.arange(0, 256, 17, dtype=np.uint8)] * 3), axis=-1).reshape(64, 64, 3)
"""Colours all over RGB."""
_ROUNDING = 2
_COLOUR_TYPES_OF_DEEP_PNG = (2, 4, 6)


def read_samples(
    image: Image.Image, data: bytes, tags: ColourTags
) -> tuple[Pixels, Pixels | None, tuple[Finding, ...]]:
    """Return the H×W×3 sRGB colours of a loaded picture, its H×W alpha if it has one, and findings.

    ``data`` is its file, for samples that Pillow can't represent.
    """
    # Read with 8 bits, sRGB loses nothing in the 8-bit result; other encodings do, and a transparent value has 16.
    needs_depth = (tags.encoding is not None and not tags.encoding.is_srgb) or "transparency" in image.info
    deep = _deep_png(data) if needs_depth else None
    if deep is not None:
        alpha = to_8_bits(deep[:, :, 3]) if deep.shape[2] == 4 else None
        colours: Image.Image | Samples = deep[:, :, :3]
    else:
        colours, alpha = _separated(image)
    if tags.profile is not None and not (isinstance(colours, Image.Image) and colours.mode == "LAB"):
        rgb, findings = _by_profile(_as_image(colours), tags.profile)
        return rgb, alpha, findings
    if isinstance(colours, Image.Image) and colours.mode == "CMYK":
        return cmyk.to_srgb(np.asarray(colours, np.uint8)), alpha, (_NO_CMYK_PROFILE,)
    if isinstance(colours, Image.Image):
        colours = np.asarray(colours if colours.mode == "L" else colours.convert("RGB"), np.uint8)
    rgb, findings = _by_encoding(colours, tags.encoding)
    return rgb, alpha, findings


def _separated(image: Image.Image) -> tuple[Image.Image | Samples, Pixels | None]:
    """Return the colours, as an image of mode L, RGB, CMYK or LAB or as deep grey samples, and the alpha channel."""
    if image.mode.startswith("I"):
        grey = _deep_grey(image)
        clear = image.info.get("transparency")
        return grey, None if clear is None else np.where(grey == clear, 0, 255).astype(np.uint8)
    if image.has_transparency_data:
        with_alpha = image if image.mode in {"RGBA", "LA"} else image.convert("RGBA")
        alpha = np.asarray(with_alpha.getchannel("A"), np.uint8)
        return with_alpha.convert("L" if with_alpha.mode == "LA" else "RGB"), alpha
    return image if image.mode in {"L", "RGB", "CMYK", "LAB"} else image.convert("RGB"), None


def _deep_grey(image: Image.Image) -> NDArray[np.uint16]:
    """Return 16-bit or 32-bit grey as 16-bit samples; Pillow's own conversion to 8 bits clips it to white."""
    values = np.asarray(image)
    if image.mode != "I":
        return values.astype(np.uint16)
    # The file doesn't define its white level: use the smallest customary range that holds the values.
    top = int(values.max())
    white = next((limit for limit in (255, 65535) if top <= limit), top)
    return np.rint(np.clip(values / white, 0.0, 1.0) * 65535.0).astype(np.uint16)


def _deep_png(data: bytes) -> NDArray[np.uint16] | None:
    """Decode a colour PNG of 16 bits a channel, of which Pillow keeps 8: H×W×3, or H×W×4 with alpha."""
    if not (data.startswith(b"\x89PNG") and data[24] == 16 and data[25] in _COLOUR_TYPES_OF_DEEP_PNG):
        return None
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3 or found.shape[2] not in {3, 4}:
        return None
    order = [2, 1, 0, 3][: found.shape[2]]
    return np.asarray(found[:, :, order], np.uint16)


def _as_image(colours: Image.Image | Samples) -> Image.Image:
    return colours if isinstance(colours, Image.Image) else Image.fromarray(to_8_bits(colours))


def _by_encoding(samples: Samples, encoding: Encoding | None) -> tuple[Pixels, tuple[Finding, ...]]:
    try:
        return to_srgb(samples, encoding), ()
    except ValueError as error:
        return to_srgb(samples, None), (unsupported_colours(str(error)),)


def _by_profile(image: Image.Image, profile: bytes) -> tuple[Pixels, tuple[Finding, ...]]:
    """Convert by an ICC profile; ignore an unusable one."""
    try:
        converted, problem = _converted(image, profile), "ICC profile of another colour space"
    except (ImageCms.PyCMSError, *DAMAGED):
        converted, problem = None, "damaged ICC profile"
    if converted is not None:
        return np.asarray(converted.convert("RGB"), np.uint8), ()
    if image.mode == "CMYK":
        return cmyk.to_srgb(np.asarray(image, np.uint8)), (_NO_CMYK_PROFILE,)
    return to_srgb(np.asarray(image, np.uint8), None), (unsupported_colours(problem),)


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space
    if space == "RGB " and image.mode == "L":
        image = image.convert("RGB")
    if space != _PROFILE_SPACES[image.mode]:
        return None
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if image.mode == "RGB" and _is_identity(transform):
        return image
    return ImageCms.applyTransform(image, transform)


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform is one of sRGB to itself, whatever the profile's name, except for rounding."""
    converted = ImageCms.applyTransform(Image.fromarray(_GAMUT), transform)
    return converted is not None and int(np.abs(np.asarray(converted, np.int16) - _GAMUT).max()) <= _ROUNDING


_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
"""How to turn a picture upright that was stored with an EXIF orientation; 1 is upright."""


def turned(pixels: Pixels, orientation: object) -> Pixels:
    """Turn an H×W×… picture upright; orientations other than 2 to 8 change nothing."""
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))
