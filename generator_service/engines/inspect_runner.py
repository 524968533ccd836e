"""Reads the headers of photos and masks. Imported by child processes only."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from generator_service.imaging.source.header import MaskFile, PhotoHeader
from generator_service.imaging.source.inspect import inspect_photo
from generator_service.imaging.source.mask_header import inspect_mask

# As in `job_runner`: a broken file makes Pillow warn, over and over.
warnings.filterwarnings("ignore", module=r"PIL\.")


def perform(job: object, report: Callable[[int, str], None]) -> PhotoHeader:  # noqa: ARG001  a header is read at once
    """Read the header of a photo, given as its bytes, or of a `MaskFile`.

    Raises:
        ImageRejected: as `inspect_photo` or `inspect_mask`.

    """
    match job:
        case bytes():
            return inspect_photo(job)
        case MaskFile():
            return inspect_mask(job.data)
        case _:
            raise TypeError(f"{type(job).__name__} is not a file to inspect")
