"""Masks supplied by users: how they are decoded, and the alpha that they give a photo."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.cutting.mask import is_soft, mask_alpha, read_mask
from generator_service.imaging.source.header import same_aspect
from generator_service.imaging.source.mask_header import inspect_mask
from tests.unit.imaging.photos import encoded, png_header, product_photo

Grey = NDArray[np.uint8]


def square(width: int = 64, height: int = 48) -> Grey:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 255
    return mask


def with_alpha(mask: Grey) -> Image.Image:
    colours = np.full((*mask.shape, 3), (200, 30, 30), np.uint8)
    return Image.fromarray(np.dstack([colours, mask]))


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(square()),
        Image.fromarray(square()).convert("1"),
        Image.fromarray(square()).convert("RGB"),
        Image.fromarray(square()).convert("RGBA"),
        Image.fromarray(square()).convert("P"),
        Image.fromarray(square().astype(np.uint16) * 257),
        with_alpha(square()),
        Image.fromarray(np.dstack([np.full((48, 64), 255, np.uint8), square()])),
    ],
    ids=["grey", "1 bit", "rgb", "opaque rgba", "palette", "16 bits", "cut-out", "grey with alpha"],
)
def test_every_way_to_write_a_mask_reads_alike(image: Image.Image) -> None:
    assert np.array_equal(read_mask(encoded(image)), square())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_masks_are_read_too(kind: str) -> None:
    read = read_mask(encoded(Image.fromarray(square()).convert("RGB"), kind, quality=80))
    assert np.mean((read >= 128) != (square() >= 128)) < 0.01


def test_a_mask_is_turned_as_its_file_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = np.zeros((40, 60), np.uint8)
    mask[:10] = 255
    assert np.array_equal(read_mask(encoded(mask, exif=exif)), np.rot90(mask, -1))


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("mask_empty", b""),
        ("mask_too_large", bytes(8 * 2**20 + 1)),
        ("mask_not_recognised", b"no picture at all"),
        ("mask_unsupported", encoded(square(), "BMP")),
        ("mask_unsupported", encoded(square(), "TIFF")),
        ("mask_not_recognised", b"%PDF-1.7 and so on"),
        ("mask_too_many_pixels", png_header(8001, 8000)),
        ("mask_too_small", encoded(np.zeros((15, 64), np.uint8))),
    ],
)
def test_what_can_not_be_a_mask_is_rejected_by_its_header(code: str, data: bytes) -> None:
    with pytest.raises(ImageRejected) as raised:
        inspect_mask(data)
    assert raised.value.code == code
    assert "photo" not in str(raised.value)


def test_a_photo_is_no_mask_and_a_broken_file_neither() -> None:
    photo, _ = product_photo()
    with pytest.raises(ImageRejected, match="white on black") as raised:
        read_mask(encoded(photo))
    assert raised.value.code == "mask_not_grey"
    noisy = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    with pytest.raises(ImageRejected) as raised:
        read_mask(encoded(noisy)[:-3000])
    assert raised.value.code == "mask_truncated"


def test_aspect_ratios_may_differ_by_one_per_cent() -> None:
    assert same_aspect((400, 300), (4000, 3000))
    assert same_aspect((404, 300), (4000, 3000))
    assert not same_aspect((405, 300), (4000, 3000))
    assert not same_aspect((300, 400), (4000, 3000))


def test_a_mask_of_another_shape_or_without_product_is_rejected() -> None:
    photo, _ = product_photo()
    for code, mask in (("mask_mismatch", square(48, 64)), ("mask_without_product", np.full((240, 320), 100, np.uint8))):
        with pytest.raises(ImageRejected) as raised:
            mask_alpha(mask, photo)
        assert raised.value.code == code


def test_a_soft_mask_of_the_photos_size_is_used_as_it_is() -> None:
    photo, product = product_photo(shape="ellipse")
    mask = np.asarray(cv2.GaussianBlur(product.astype(np.uint8) * 255, (0, 0), 2.0), np.uint8)
    assert is_soft(mask)
    assert np.array_equal(mask_alpha(mask, photo), mask)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("soft", [True, False])
def test_a_small_mask_is_redrawn_along_the_photos_edges(factor: int, soft: bool) -> None:
    photo, product = product_photo(size=(1280, 960), shape="ellipse", shadow=False)
    truth = np.asarray(cv2.GaussianBlur(product.astype(np.uint8) * 255, (0, 0), 0.7), np.uint8)  # As soft as the photo.
    size = (1280 // factor, 960 // factor)
    small = np.asarray(cv2.resize(truth, size, interpolation=cv2.INTER_AREA if soft else cv2.INTER_NEAREST), np.uint8)
    scaled = cv2.resize(small, (1280, 960), interpolation=cv2.INTER_LINEAR)

    alpha = mask_alpha(small, photo)

    assert alpha.shape == (960, 1280)
    error, before = np.abs(alpha.astype(int) - truth), np.abs(scaled.astype(int) - truth)
    assert error.mean() < 0.5 * before.mean()
    assert np.mean((alpha >= 128) != product) < 0.001


def test_a_jagged_mask_of_the_photos_size_gets_a_smooth_outline() -> None:
    photo, product = product_photo(size=(640, 480), shape="ellipse", shadow=False)
    mask = product.astype(np.uint8) * 255
    assert not is_soft(mask)
    alpha = mask_alpha(mask, photo)
    assert is_soft(alpha)
    assert np.mean((alpha >= 128) != product) < 0.002


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_what_is_half_transparent_stays_so(factor: int) -> None:
    """Glass: only the user's mask shows how much of the backdrop is visible through it."""
    photo, product = product_photo(size=(640, 480), shadow=False)
    mask = np.where(product, 255, 0).astype(np.uint8)
    mask[200:280, 260:380] = 120
    small = np.asarray(cv2.resize(mask, (640 // factor, 480 // factor), interpolation=cv2.INTER_AREA), np.uint8)

    alpha = mask_alpha(small, photo)

    assert np.abs(alpha[210:270, 270:370].astype(int) - 120).max() <= 2
    assert alpha[150, 320] == 255
    assert alpha[20, 20] == 0


def test_a_larger_mask_is_scaled_down() -> None:
    photo, product = product_photo(size=(320, 240))
    large = np.asarray(
        cv2.resize(product.astype(np.uint8) * 255, (960, 720), interpolation=cv2.INTER_NEAREST), np.uint8
    )
    alpha = mask_alpha(large, photo)
    assert alpha.shape == (240, 320)
    assert np.mean((alpha >= 128) != product) < 0.01


def test_the_largest_mask_is_read_in_bounded_memory() -> None:
    """A mask of a few kilobytes that decodes to 64 megapixels."""
    buffer = io.BytesIO()
    Image.new("L", (8000, 8000), 255).save(buffer, "PNG")
    assert read_mask(buffer.getvalue()).shape == (8000, 8000)
