from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.decode import decode
from generator_service.imaging.source.inspect import inspect_photo
from tests.unit.imaging.photos import codes, encoded, product_photo

PHOTO, _ = product_photo(size=(96, 64))


def mean_colour(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[int]:
    return [round(float(value)) for value in pixels.reshape(-1, 3).mean(axis=0)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_truncated_files_are_refused_not_half_decoded(kind: str) -> None:
    whole = encoded(PHOTO, kind)
    with pytest.raises(ImageRejected) as refusal:
        decode(whole[: len(whole) * 2 // 3])
    assert refusal.value.code in {"image_truncated", "image_not_recognised"}


def test_a_truncated_jpeg_is_called_truncated() -> None:
    whole = encoded(PHOTO, "JPEG")
    with pytest.raises(ImageRejected) as refusal:
        decode(whole[: len(whole) * 2 // 3])
    assert refusal.value.code == "image_truncated"


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[:16, :16] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(encoded(pixels, "PNG", exif=exif.tobytes()))
    assert photo.rgb.shape == ((60, 40, 3) if orientation in {6, 8} else (40, 60, 3))
    assert photo.rgb[corner].tolist() == [0, 0, 0]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    grey = decode(encoded(Image.fromarray(ramp))).rgb[:, :, 0]
    assert np.abs(grey.astype(float) - ramp / 257.0).max() <= 1


def test_colours_are_converted_by_their_profile() -> None:
    # sRGB with red's and blue's primaries exchanged, under another name.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    head = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    exchanged = head.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    pixels = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    converted = mean_colour(decode(encoded(pixels, "PNG", icc_profile=exchanged)).rgb)
    assert np.abs(np.array(converted) - (40, 120, 200)).max() <= 2
    assert mean_colour(decode(encoded(pixels, "PNG", icc_profile=srgb)).rgb) == [200, 120, 40]


def cmyk_profile(cyan_lab: tuple[int, int, int]) -> bytes:
    """Make a CMYK profile in which full cyan is the given 8-bit Lab colour, and anything without cyan is white."""
    identity = bytes(range(256))
    white = (255, 128, 128)
    # The grid has two points a channel; the first channel changes slowest.
    grid = b"".join(bytes(cyan_lab if corner >= 8 else white) for corner in range(16))
    matrix = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + identity * 4 + grid + identity * 3
    text = b"ink\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    description += bytes(-len(description) % 4)
    white_point = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    directory, body = struct.pack(">I", 3), b""
    for name, content in ((b"A2B0", table + bytes(-len(table) % 4)), (b"desc", description), (b"wtpt", white_point)):
        directory += name + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(directory) + len(body), b"test", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + directory + body


def test_cmyk_is_converted_by_its_profile() -> None:
    # In this profile "cyan" is a reddish ink, which only a conversion by the profile reveals.
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    red, green, blue = mean_colour(decode(encoded(cyan, "TIFF", icc_profile=cmyk_profile((128, 190, 150)))).rgb)
    assert red > 150
    assert red > 2 * green
    assert red > 1.5 * blue


def test_a_broken_profile_does_no_harm() -> None:
    grey = np.full((32, 32, 3), 100, np.uint8)
    photo = decode(encoded(grey, "PNG", icc_profile=b"no profile"))
    assert mean_colour(photo.rgb) == [100, 100, 100]
    assert ["damaged ICC profile" in finding.message for finding in photo.findings] == [True]


def test_palette() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert mean_colour(decode(encoded(image, "GIF")).rgb) == [10, 200, 30]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_real_alpha_channel_is_kept(kind: str) -> None:
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[:10, :, 3] = 0
    alpha = decode(encoded(pixels, kind, lossless=True)).alpha
    assert alpha is not None
    assert alpha[:10].max() == 0
    assert alpha[10:].min() == 255


@pytest.mark.parametrize("opacity", [255, 0])
def test_an_alpha_channel_that_says_nothing_is_dropped(opacity: int) -> None:
    pixels = np.full((40, 40, 4), 120, np.uint8)
    pixels[:, :, 3] = opacity
    photo = decode(encoded(pixels))
    assert photo.alpha is None
    assert mean_colour(photo.rgb) == [120, 120, 120]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken_with_a_warning(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("#c80000", "#00c800")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    photo = decode(data)
    red, green, _ = mean_colour(photo.rgb)
    assert red > 150 > 50 > green
    assert codes(photo.findings) == ["several_pictures"]


def test_heif() -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PHOTO)).save(buffer, quality=90)
    photo = decode(buffer.getvalue())
    assert photo.rgb.shape == PHOTO.shape
    assert np.abs(photo.rgb.astype(float) - PHOTO).mean() < 6


def test_lab_is_converted() -> None:
    lab = Image.new("LAB", (32, 32), (150, 140, 120))
    red, green, blue = mean_colour(decode(encoded(lab, "TIFF")).rgb)
    assert abs(red - 158) <= 3
    assert abs(green - 134) <= 3
    assert abs(blue - 156) <= 3


@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_a_channel_keep_their_colours(alpha: bool) -> None:
    deep = np.full((32, 32, 4 if alpha else 3), 65535, np.uint16)
    deep[:, :, :3] = (10 * 257, 80 * 257, 230 * 257)  # OpenCV's order: blue first
    written, data = cv2.imencode(".png", deep)
    assert written
    assert np.abs(np.array(mean_colour(decode(data.tobytes()).rgb)) - (230, 80, 10)).max() <= 1


def test_grey_is_converted_by_its_profile() -> None:
    # A grey profile with gamma 1: its middle is much lighter in sRGB.
    linear = grey_profile(gamma=1.0)
    grey = np.full((32, 32), 128, np.uint8)
    assert mean_colour(decode(encoded(grey, "PNG")).rgb) == [128, 128, 128]
    lighter = mean_colour(decode(encoded(grey, "PNG", icc_profile=linear)).rgb)
    assert min(lighter) > 170
    assert max(lighter) - min(lighter) <= 2


def grey_profile(gamma: float) -> bytes:
    """Make a profile of a grey device."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white_point = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"grey\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    description += bytes(-len(description) % 4)
    directory, body = struct.pack(">I", 3), b""
    for name, content in ((b"kTRC", curve), (b"desc", description), (b"wtpt", white_point)):
        directory += name + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(directory) + len(body), b"test", 0x02400000, b"mntr", b"GRAY", b"XYZ "
    )
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + directory + body


def test_a_frame_larger_than_the_file_says_is_refused() -> None:
    gif = bytearray(encoded(Image.new("P", (32, 32), 1), "GIF"))
    at = gif.index(b",\0\0\0\0", 13)  # the first frame's descriptor; its size comes after its position
    gif[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(ImageRejected) as refusal:
        inspect_photo(bytes(gif))
    assert refusal.value.code == "image_too_many_pixels"
