"""Masks that users supply: from untrusted bytes to the alpha of a photo at its full resolution."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.source.header import same_aspect
from generator_service.imaging.source.inspect import DAMAGED, open_photo
from generator_service.imaging.source.mask_header import inspect_mask
from generator_service.imaging.source.samples import turned

_SOLID = 128
"""A mask value from which on a pixel is product."""
_CLEAR_BELOW, _SOLID_ABOVE = 24, 231
"""Values in between are soft; outside, they are what JPEG makes of 0 and 255."""
_GREY_TOLERANCE = 12
"""Channels of a grey pixel differ by no more than this, of 255, after a JPEG's chroma."""
_COLOURED_SHARE = 0.001
_LEAST_SOFT = 0.5
"""A smooth outline has at least this many soft pixels for each of its pixels; a jagged one has none."""
_WITH_ALPHA = frozenset({"LA", "PA", "RGBA", "La", "RGBa"})

Mask = NDArray[np.uint8]


def read_mask(data: bytes) -> Mask:
    """Decode a mask to H×W, 0 to 255, upright: its transparency where it has any, else its grey.

    Raises:
        ImageRejected: as `inspect_mask`, or with ``mask_truncated`` or ``mask_not_grey``.

    """
    inspect_mask(data)
    with open_photo(data) as image:
        try:
            image.load()
            orientation = image.getexif().get(ExifTags.Base.Orientation)
            values = _values(image)
        except DAMAGED as error:
            raise ImageRejected(
                "mask_truncated", "the mask's file ends early or is damaged; save it again as PNG"
            ) from error
    return turned(values, orientation)


def _values(image: Image.Image) -> Mask:
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        colours = image.convert("RGBA")
        alpha = np.asarray(colours.getchannel("A"), np.uint8)
        if alpha.min() < 255:
            return alpha
        image = colours.convert("RGB")
    if image.mode.startswith("I"):
        # Sixteen bits, which Pillow's own conversion would cut off at 255.
        return np.asarray(np.asarray(image, np.int64).clip(0, 65535) // 257, np.uint8)
    if image.mode in {"1", "L"}:
        return np.asarray(image.convert("L"), np.uint8)
    rgb = np.asarray(image.convert("RGB"), np.uint8)
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    if np.mean(spread > _GREY_TOLERANCE) > _COLOURED_SHARE:
        raise ImageRejected(
            "mask_not_grey",
            "the mask has colours; draw the product in white on black, or make everything else transparent",
        )
    return np.asarray(rgb[:, :, 1])


def mask_alpha(mask: Mask, rgb: NDArray[np.uint8]) -> Mask:
    """Return the alpha, H×W, 0 to 255, that a mask of any size gives an H×W×3 photo.

    A soft mask of the photo's size, or of a larger one, is used unchanged. Otherwise its outline is redrawn along the
    photo's edges, in a band that follows the mask's own resolution; its wide soft areas, such as glass or fur, are
    scaled up unchanged, since only the mask's owner knows their meaning.

    Raises:
        ImageRejected: ``mask_mismatch`` for another aspect ratio, ``mask_without_product`` if no pixel is product.

    """
    height, width = rgb.shape[:2]
    if not same_aspect(mask.shape[1::-1], (width, height)):
        raise ImageRejected(
            "mask_mismatch",
            f"the mask has {mask.shape[1]} × {mask.shape[0]} pixels and the upright photo {width} × {height}, which is "
            "another aspect ratio; send a mask that covers all of the photo",
        )
    if not (mask >= _SOLID).any():
        raise ImageRejected("mask_without_product", "nothing in the mask is product; draw the product in white")
    if mask.shape[0] >= height and mask.shape[1] >= width:
        if mask.shape != (height, width):
            mask = _scaled(mask, width, height)
        if is_soft(mask):
            return mask.copy()
    elif mask.shape[0] > height or mask.shape[1] > width:
        mask = _scaled(mask, width, height)
    redrawn = matte(rgb, mask >= _SOLID)
    wide = _wide_soft_areas(mask)
    if not wide.any():
        return redrawn
    weight = _scaled(wide.astype(np.uint8) * 255, width, height).astype(np.float32) / 255.0
    mixed = redrawn + (_scaled(mask, width, height) - redrawn.astype(np.float32)) * weight
    return np.asarray(np.rint(mixed), np.uint8)


def is_soft(mask: Mask) -> bool:
    """Return whether the outline of a mask is smooth, as opposed to jagged steps from black to white."""
    product = mask >= _SOLID
    outline = product & (cv2.erode(product.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    soft = (mask > _CLEAR_BELOW) & (mask < _SOLID_ABOVE)
    return bool(np.count_nonzero(soft) >= _LEAST_SOFT * np.count_nonzero(outline))


def _wide_soft_areas(mask: Mask) -> NDArray[np.bool_]:
    """Return where a mask is soft over more than a smoothed step, with two pixels around it."""
    soft = (mask > _CLEAR_BELOW) & (mask < _SOLID_ABOVE)
    # A smoothed step of up to three pixels has both sides within two; glass, fur and single hairs have not.
    near = np.ones((5, 5), np.uint8)
    step = (cv2.erode(mask, near) <= _CLEAR_BELOW) & (cv2.dilate(mask, near) >= _SOLID_ABOVE)
    return cv2.dilate((soft & ~step).astype(np.uint8), near) > 0


def _scaled(mask: Mask, width: int, height: int) -> Mask:
    shrinks = mask.shape[0] >= height and mask.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask, (width, height), interpolation=how), np.uint8)
