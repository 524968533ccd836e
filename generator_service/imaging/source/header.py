"""What the headers of photos and masks say: without an image library, for processes that never open a file."""

from __future__ import annotations

from dataclasses import dataclass

ASPECT_TOLERANCE_PERCENT = 1
"""Maximum difference of the aspect ratios of mask and photo: scaling rounds to whole pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoHeader:
    """The content of the header; width and height are pixels as stored, before any EXIF rotation."""

    format: str
    """One of `inspect.FORMATS`, from the bytes, never from a file name."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask's bytes, as a job of the inspector."""

    data: bytes


def same_aspect(mask: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Return whether a mask of this width and height can lie over a photo of that width and height."""
    expected = mask[1] * photo[0]
    return abs(mask[0] * photo[1] - expected) * 100 <= ASPECT_TOLERANCE_PERCENT * expected
