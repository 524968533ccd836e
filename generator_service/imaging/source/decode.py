"""From bytes to upright 8-bit sRGB pixels, whatever the file holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Finding
from generator_service.imaging.source.colour_tags import read_colour_tags
from generator_service.imaging.source.density import read_dpi
from generator_service.imaging.source.inspect import DAMAGED, open_photo
from generator_service.imaging.source.jpeg import recover
from generator_service.imaging.source.raw import full_pages
from generator_service.imaging.source.samples import read_samples, turned
from generator_service.imaging.source.transparency import Transparency, fill_invisible, interpret

_NOTABLE_SHARE = 0.001
"""Fewer transparent pixels than this are not worth a finding."""
_MP_ENTRIES = 0xB002
_UNOFFICIAL_METADATA = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A decoded photo, upright, in sRGB."""

    rgb: NDArray[np.uint8]
    """H×W×3."""
    alpha: NDArray[np.uint8] | None
    """H×W, where the file itself is a finished cut-out; None where it is not."""
    visible: NDArray[np.bool_] | None = None
    """H×W, where parts of a photo that is not cut out are transparent: False there. None where all is visible."""
    dpi: float | None = None
    """Pixels per inch, where the file states them."""
    findings: tuple[Finding, ...] = ()


def decode(data: bytes) -> Photo:
    """Decode a photo: main picture, EXIF orientation applied, colours converted to sRGB by what the file states.

    Raises:
        ImageRejected: as `inspect_photo`, or with ``image_truncated`` where the pixels are not all there.

    """
    with open_photo(data) as opened:
        image, findings = _load(opened, data)
        tags = read_colour_tags(opened, data)
        rgb, alpha, colour_findings = read_samples(image, data, tags)
        orientation = _orientation(image)
        dpi = _dpi(opened)
    findings += [*tags.findings, *colour_findings]
    rgb, alpha = turned(rgb, orientation), None if alpha is None else turned(alpha, orientation)
    transparency = Transparency() if alpha is None else interpret(alpha)
    if transparency.visible is not None:
        rgb = fill_invisible(rgb, transparency.visible)
        if np.mean(transparency.visible) < 1.0 - _NOTABLE_SHARE:
            findings.append(
                Finding(
                    code="transparent_areas",
                    message="The photo has transparent areas that do not outline a product; "
                    "they were treated as background.",
                )
            )
    return Photo(rgb=rgb, alpha=transparency.cutout, visible=transparency.visible, dpi=dpi, findings=tuple(findings))


def _load(image: ImageFile.ImageFile, data: bytes) -> tuple[Image.Image, list[Finding]]:
    """Decode the pixels of the picture that the file was opened at; return it with findings."""
    _drop_unofficial_metadata(image)
    try:
        findings = _other_pictures(image, data)
        image.load()
    except DAMAGED as error:
        recovered = _recover(data) if image.format in {"JPEG", "MPO"} else None
        if recovered is None:
            raise ImageRejected(
                "image_truncated", "the file breaks off or is damaged; upload it again, or open it and save it again"
            ) from error
        return recovered
    return image, findings


def _recover(data: bytes) -> tuple[Image.Image, list[Finding]] | None:
    try:
        recovered = recover(data)
    except DAMAGED:
        return None
    if recovered is None:
        return None
    image, missing = recovered
    _drop_unofficial_metadata(image)
    lost = f"its last {missing} rows of pixels are missing" if missing else "the picture itself is complete"
    return image, [Finding(code="incomplete_file", message=f"The JPEG file breaks off at its end; {lost}.")]


def _drop_unofficial_metadata(image: Image.Image) -> None:
    """Drop the blocks in which Pillow, unlike browsers, would look for an orientation as well."""
    for key in _UNOFFICIAL_METADATA:
        image.info.pop(key, None)


def _other_pictures(image: ImageFile.ImageFile, data: bytes) -> list[Finding]:
    """Return a finding where the file holds other pictures that a viewer would show too."""
    match image.format:
        case "MPO":
            # The other pictures of a phone's photo are its depth or gain map, and belong to it.
            entries = getattr(image, "mpinfo", {}).get(_MP_ENTRIES, [])
            several = any(str(entry["Attribute"]["MPType"]).startswith("Multi-Frame") for entry in entries)
        case "TIFF":
            several = len(full_pages(data)) > 1
        case _:
            # Not `n_frames`: of some formats that reads through all of them.
            several = bool(getattr(image, "is_animated", False))
    if not several:
        return []
    main = "main one" if image.format == "HEIF" and image.tell() else "first"
    return [Finding(code="several_pictures", message=f"The file holds several pictures; only the {main} was used.")]


def _orientation(image: Image.Image) -> object:
    """Return the orientation in the EXIF block of a loaded picture; Pillow has applied that of a TIFF already."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except DAMAGED:
        return None  # Unreadable EXIF gives no orientation.


def _dpi(image: Image.Image) -> float | None:
    try:
        return read_dpi(image)
    except DAMAGED:
        return None  # Unreadable EXIF gives no density.
