"""Photos from all kinds of cameras, shops and designers are rendered correctly: colours, orientation, first frame."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.support.api import QUICK, Api
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

Pixels = NDArray[np.uint8]
RED, BLUE, GREEN = (179, 38, 30), (29, 63, 143), (20, 120, 40)
EXIF_ORIENTATION = 0x0112


def photo(top: tuple[int, int, int] = BLUE, body: tuple[int, int, int] = RED) -> Image.Image:
    """A tall box whose upper third has another colour, which shows its orientation."""
    image = Image.new("RGB", (96, 96), "#d8dbe0")
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 12, 65, 83), fill=body)
    draw.rectangle((30, 12, 65, 35), fill=top)
    return image


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def lying_on_its_side() -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # The viewer must turn it by 90° clockwise.
    return saved(photo().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def cut_out() -> bytes:
    """A cut-out whose hidden pixels have a bright colour that must not show."""
    image = Image.new("RGBA", (96, 96), (255, 0, 255, 0))
    image.paste(photo().crop((30, 12, 66, 84)).convert("RGBA"), (30, 12))
    return saved(image, "PNG")


def animated(file_format: str) -> bytes:
    second = photo(top=GREEN, body=GREEN)
    return saved(photo(), file_format, save_all=True, append_images=[second], duration=100)


def heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(photo()).save(file, quality=95)
    return file.getvalue()


async def picture_of(api: Api, data: bytes) -> tuple[task_pb2.Task, Pixels]:
    (task,) = await api.finished((await api.submit(data, options=QUICK)).task_id)
    assert task.state == task_pb2.TASK_STATE_COMPLETED, task.error
    _, result = await api.download(task.task_id, pb.IMAGE_KIND_RESULT)
    return task, np.asarray(Image.open(io.BytesIO(result)).convert("RGB"))


def check_box(pixels: Pixels, top: tuple[int, ...] = BLUE, body: tuple[int, ...] = RED, tolerance: int = 24) -> None:
    """Check that the box is upright and centred, in its original colours, on white."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border == 255).all()
    rows, columns = np.nonzero((pixels < 250).any(axis=2))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 83 <= height <= 87
    assert 0.4 <= width / height <= 0.6
    for where, colour in ((20, top), (75, body)):
        assert np.abs(pixels[where, 50].astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize(
    ("make", "file_format"),
    [
        pytest.param(lambda: saved(photo(), "PNG"), "PNG", id="PNG"),
        pytest.param(lambda: saved(photo(), "JPEG", quality=95), "JPEG", id="JPEG"),
        pytest.param(lambda: saved(photo(), "WEBP", quality=95), "WEBP", id="WebP"),
        pytest.param(lambda: saved(photo(), "TIFF"), "TIFF", id="TIFF"),
        pytest.param(lambda: saved(photo(), "BMP"), "BMP", id="BMP"),
        pytest.param(lambda: saved(photo(), "AVIF", quality=95), "AVIF", id="AVIF"),
        pytest.param(heic, "HEIF", id="HEIC"),
        pytest.param(lambda: saved(photo().convert("P"), "PNG"), "PNG", id="palette"),
        pytest.param(lying_on_its_side, "JPEG", id="EXIF-rotated"),
        pytest.param(cut_out, "PNG", id="with alpha"),
    ],
)
async def test_the_picture_shows_what_the_photo_showed(api: Api, make: Callable[[], bytes], file_format: str) -> None:
    task, pixels = await picture_of(api, make())

    assert task.input.format == file_format
    check_box(pixels)


async def test_cmyk_without_a_profile_is_converted_as_print_with_a_warning(api: Api) -> None:
    task, pixels = await picture_of(api, saved(photo().convert("CMYK"), "JPEG", quality=95))

    assert task.input.format == "JPEG"
    assert [finding.code for finding in task.result.findings] == ["cmyk_without_profile"]
    # The inks of a plain inversion are duller on paper than the colours they were inverted from.
    check_box(pixels, tolerance=64)


async def test_16_bits_are_scaled_and_not_clipped(api: Api) -> None:
    values = np.full((96, 96), 56_000, np.uint16)
    values[12:84, 30:66] = 30_000
    values[12:36, 30:66] = 8_000

    _, pixels = await picture_of(api, saved(Image.fromarray(values), "PNG"))

    check_box(pixels, top=(31, 31, 31), body=(117, 117, 117))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
async def test_of_an_animation_the_first_picture_counts_and_a_warning_says_so(api: Api, file_format: str) -> None:
    task, pixels = await picture_of(api, animated(file_format))

    check_box(pixels, tolerance=40)
    assert "several_pictures" in [finding.code for finding in task.result.findings]
