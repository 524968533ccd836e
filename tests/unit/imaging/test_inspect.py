from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.header import PhotoHeader
from generator_service.imaging.source.inspect import MAX_PHOTO_BYTES, inspect_photo
from tests.unit.imaging.photos import encoded, png_header

PIXELS = np.zeros((20, 30, 3), np.uint8)


def heif_file() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(np.full((64, 96, 3), 200, np.uint8))).save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_reads_format_and_size_from_the_bytes(kind: str) -> None:
    assert inspect_photo(encoded(PIXELS, kind)) == PhotoHeader(format=kind, width=30, height=20)


def test_reads_heif() -> None:
    assert inspect_photo(heif_file()) == PhotoHeader(format="HEIF", width=96, height=64)


def test_size_is_as_stored_whatever_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert inspect_photo(encoded(PIXELS, "JPEG", exif=exif.tobytes())).width == 30


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_empty"),
        (b"\xff\xd8\xff" + bytes(MAX_PHOTO_BYTES), "image_too_large"),
        (b"hello, this is no picture", "image_not_recognised"),
        (b"%PDF-1.7 neither is this", "image_not_recognised"),
        (b"\xff\xd8\xff\xe0 starts like a JPEG", "image_not_recognised"),
        (b"\x89PNG\r\n\x1a\n", "image_not_recognised"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image_not_recognised"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image_not_recognised"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image_not_recognised"),
        (png_header(8001, 8000), "image_too_many_pixels"),
        (png_header(100_000, 100_000), "image_too_many_pixels"),
        (png_header(1, 1), "image_too_small"),
        (png_header(4000, 15), "image_too_small"),
    ],
)
def test_refuses(data: bytes, code: str) -> None:
    with pytest.raises(ImageRejected) as refusal:
        inspect_photo(data)
    assert refusal.value.code == code


def test_sixty_four_megapixels_are_still_taken() -> None:
    assert inspect_photo(png_header(8000, 8000)).width == 8000


def test_a_huge_header_is_refused_without_decoding() -> None:
    tracemalloc.start()
    with pytest.raises(ImageRejected, match="20000 × 20000"):
        inspect_photo(png_header(20_000, 20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("height", [1370, 60_000], ids=["where Pillow warns", "where Pillow raises"])
def test_a_gif_whose_frame_is_larger_than_its_screen_is_refused_by_its_frame(height: int) -> None:
    screen = struct.pack("<HHBBB", 100, 100, 0, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65_000, height, 0) + b"\x02\x00"
    with pytest.raises(ImageRejected, match=f"65000 × {height}"):
        inspect_photo(b"GIF89a" + screen + frame + b";")


@given(st.binary(max_size=300), st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"]))
def test_any_bytes_are_a_header_or_a_refusal(noise: bytes, kind: str) -> None:
    whole = encoded(PIXELS, kind)
    for data in (noise, whole[: len(whole) // 4] + noise):
        # Any other error would fail the test.
        with contextlib.suppress(ImageRejected):
            header = inspect_photo(data)
            assert 16 * 16 <= header.width * header.height <= 64_000_000
