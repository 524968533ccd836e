"""The bound on a file's parts."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.inspect import inspect_photo
from generator_service.imaging.source.structure import check_structure
from tests.support.floods import FLOODS
from tests.support.photos import product_photo

MIB = 1024 * 1024


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_rejected_with_its_remedy(flood: str) -> None:
    with pytest.raises(ImageRejected, match=r"more than [\d,]+ .*; open it in an image editor") as caught:
        inspect_photo(FLOODS[flood](2 * MIB))

    assert caught.value.code == "image_too_complex"


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_rejected_without_a_copy_of_it(flood: str) -> None:
    file = FLOODS[flood](8 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(ImageRejected):
            check_structure(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MIB


def test_a_large_photo_may_have_fewer_scans_than_a_small_one() -> None:
    def with_scans(height: int, scans: int) -> bytes:
        whole = product_photo(64, 64, "JPEG", progressive=True)
        frame = whole.index(b"\xff\xc2")
        taller = whole[: frame + 5] + struct.pack(">HH", height, 8000) + whole[frame + 9 : -2]
        last = whole[whole.rindex(b"\xff\xda") : -2]
        return taller + last * (scans - whole.count(b"\xff\xda")) + whole[-2:]

    check_structure(with_scans(8000, 20))
    check_structure(with_scans(1000, 90))
    with pytest.raises(ImageRejected, match="pixels in its scans"):
        check_structure(with_scans(8000, 90))


def noise(side: int = 512) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param("JPEG", {"progressive": True, "quality": 95}, id="progressive JPEG"),
        pytest.param("JPEG", {"exif": b"Exif\0\0" + bytes(60_000), "icc_profile": bytes(MIB)}, id="JPEG with metadata"),
        pytest.param("JPEG", {"restart_marker_blocks": 1, "quality": 95}, id="JPEG with restart markers"),
        pytest.param("PNG", {}, id="PNG"),
        pytest.param("GIF", {}, id="GIF"),
        pytest.param("WEBP", {"lossless": True}, id="WebP"),
        pytest.param("TIFF", {"compression": "tiff_lzw", "strip_size": 1}, id="TIFF with a strip per row"),
        pytest.param("BMP", {}, id="BMP"),
        pytest.param("AVIF", {}, id="AVIF"),
    ],
)
def test_real_photos_pass(kind: str, options: dict[str, object]) -> None:
    file = io.BytesIO()
    noise().save(file, kind, **options)

    check_structure(file.getvalue())


def test_an_animation_passes_however_long() -> None:
    file = io.BytesIO()
    frames = [Image.new("L", (16, 16), number % 256) for number in range(2000)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=20)

    check_structure(file.getvalue())


@given(
    kind=st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF"]),
    at=st.integers(0, 2000),
    put=st.binary(max_size=64),
    end=st.integers(0, 3000),
)
def test_any_bytes_end_in_a_pass_or_a_rejection(kind: str, at: int, put: bytes, end: int) -> None:
    file = product_photo(32, 32, kind)

    try:
        check_structure((file[:at] + put + file[at + len(put) :])[: max(end, 12)])
    except ImageRejected as error:
        assert error.code == "image_too_complex"  # noqa: PT017  either outcome is right
