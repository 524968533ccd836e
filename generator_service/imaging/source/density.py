"""The pixel density that a file states, which its picture keeps."""

from __future__ import annotations

import math

from PIL import ExifTags, Image

DEFAULT_DPI = 72.0
"""The density of results whose photo states none, in formats that always state one."""
_LOWEST, _HIGHEST = 10.0, 10_000.0
_SQUARE = 0.01
_UNITS = {2: 1.0, 3: 2.54}
"""EXIF's inch and centimetre, per inch."""


def read_dpi(image: Image.Image) -> float | None:
    """Return the pixels per inch of a file; None where it states none, an absurd one, or one for each direction."""
    # Without a unit in the header of a JPEG, Pillow makes up 72 where EXIF states nothing either.
    made_up = image.format in {"JPEG", "MPO"} and image.info.get("jfif_unit") not in {1, 2}
    stated = (None if made_up else image.info.get("dpi")) or _of_exif(image)
    try:
        across, down = (float(value) for value in stated or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (math.isfinite(across) and _LOWEST <= across <= _HIGHEST and abs(across - down) <= _SQUARE * across):
        return None
    return across


def _of_exif(image: Image.Image) -> tuple[float, float] | None:
    exif = image.getexif()
    scale = _UNITS.get(exif.get(ExifTags.Base.ResolutionUnit, 2))
    across, down = exif.get(ExifTags.Base.XResolution), exif.get(ExifTags.Base.YResolution)
    if scale is None or across is None or down is None:
        return None
    return float(across) * scale, float(down) * scale
