"""A crop: the part of the photo that is shown. Nothing outside of it is product, and nothing outside is checked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Region
from generator_service.domain.measurements import Measurements
from generator_service.domain.placement import Placement
from generator_service.imaging.box import Box
from generator_service.imaging.source.decode import Photo


def crop_box(crop: Region, shape: tuple[int, ...]) -> Box:
    """Return the pixels, at least one each way, of a photo of H×W pixels in which a crop lies."""
    height, width = shape[:2]
    left, right = _pixels(crop.left, crop.right, width)
    top, bottom = _pixels(crop.top, crop.bottom, height)
    return Box(left, top, right, bottom)


def cropped(photo: Photo, alpha: NDArray[np.uint8], crop: Region) -> tuple[Photo, NDArray[np.uint8]]:
    """Return the part of a photo and of its H×W cut-out inside a crop, as views.

    Raises:
        ImageRejected: ``image_no_product``, where there is no product in it.

    """
    box = crop_box(crop, alpha.shape)
    part = box.cut(alpha)
    if not part.any():
        raise ImageRejected(
            "image_no_product", "the crop contains no part of the product; choose a larger one, or none"
        )
    return (
        replace(
            photo,
            rgb=box.cut(photo.rgb),
            alpha=None if photo.alpha is None else box.cut(photo.alpha),
            visible=None if photo.visible is None else box.cut(photo.visible),
        ),
        part,
    )


def uncropped(placement: Placement, crop: Region, shape: tuple[int, ...]) -> Placement:
    """Return the placement of the whole photo, H×W pixels, for that of its crop."""
    box = crop_box(crop, shape)
    return replace(placement.shifted(-box.left, -box.top), photo_width=shape[1], photo_height=shape[0])


def with_lost_region(measured: Measurements, crop: Region) -> Measurements:
    """Return measurements of a crop whose region of lost detail is one of the whole photo."""
    cutout = measured.cutout
    if cutout is None or cutout.lost_region is None:
        return measured
    lost, width, height = cutout.lost_region, crop.right - crop.left, crop.bottom - crop.top
    region = Region(
        left=crop.left + lost.left * width,
        top=crop.top + lost.top * height,
        right=crop.left + lost.right * width,
        bottom=crop.top + lost.bottom * height,
    )
    return replace(measured, cutout=replace(cutout, lost_region=region))


def _pixels(first: float, last: float, length: int) -> tuple[int, int]:
    start = min(math.floor(first * length + 0.5), length - 1)
    return start, max(start + 1, math.floor(last * length + 0.5))
