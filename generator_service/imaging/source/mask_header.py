"""Read a mask's header and accept or reject the mask, without decoding pixels."""

from __future__ import annotations

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.header import PhotoHeader
from generator_service.imaging.source.inspect import inspect_photo

MAX_MASK_BYTES = 8 * 1024 * 1024
MASK_FORMATS = ("PNG", "WEBP", "JPEG")
_SAVE = "save it as PNG, WebP or JPEG"


def inspect_mask(data: bytes) -> PhotoHeader:
    """Read the header of a mask.

    Raises:
        ImageRejected: the file is not accepted. The code is ``mask_unsupported``, or one of `inspect_photo` with
            ``mask_`` in place of ``image_``.

    """
    if len(data) > MAX_MASK_BYTES:
        raise ImageRejected(
            "mask_too_large",
            f"the mask has {len(data) / 2**20:.1f} MiB; at most {MAX_MASK_BYTES // 2**20} MiB are taken: "
            "save it as PNG, or smaller",
        )
    try:
        header = inspect_photo(data)
    except ImageRejected as error:
        code = error.code.replace("image_", "mask_", 1)
        named = code in {"mask_not_recognised", "mask_unsupported"}
        text = (
            f"the file is no mask that can be read; {_SAVE}" if named else str(error).replace("the photo", "the mask")
        )
        raise ImageRejected(code, text) from error
    if header.format not in MASK_FORMATS:
        raise ImageRejected("mask_unsupported", f"the mask is a {header.format} file, which is not taken; {_SAVE}")
    return header
