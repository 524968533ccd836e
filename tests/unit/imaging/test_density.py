"""The pixel density of a photo is kept in its result."""

from __future__ import annotations

import io

import pillow_heif
import pytest
from PIL import Image

from generator_service.domain.task_options import Content, OutputFormat
from generator_service.imaging.render import render
from generator_service.imaging.source.decode import decode
from generator_service.imaging.source.density import read_dpi
from tests.unit.imaging.photos import encoded, product_photo, silent, spec

PHOTO, _ = product_photo(size=(160, 120))


def exif(x: float, y: float, unit: int = 2) -> Image.Exif:
    made = Image.Exif()
    made[282], made[283], made[296] = x, y, unit
    return made


def named(maker: str) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = maker
    return made


def heif(**options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PHOTO)).save(buffer, **options)
    return buffer.getvalue()


STATED = {
    "JPEG": encoded(PHOTO, "JPEG", dpi=(300, 300)),
    "JPEG by EXIF": encoded(PHOTO, "JPEG", exif=exif(300, 300)),
    "PNG": encoded(PHOTO, "PNG", dpi=(300, 300)),
    "TIFF": encoded(PHOTO, "TIFF", dpi=(300, 300)),
    "TIFF by cm": encoded(PHOTO, "TIFF", resolution=300 / 2.54, resolution_unit="cm"),
    "BMP": encoded(PHOTO, "BMP", dpi=(300, 300)),
    "WebP": encoded(PHOTO, "WEBP", exif=exif(300, 300)),
    "WebP by cm": encoded(PHOTO, "WEBP", exif=exif(300 / 2.54, 300 / 2.54, unit=3)),
    "AVIF": encoded(PHOTO, "AVIF", exif=exif(300, 300)),
    "HEIF": heif(exif=exif(300, 300).tobytes()),
}
SILENT = {
    "PNG": encoded(PHOTO, "PNG"),
    "JPEG": encoded(PHOTO, "JPEG"),
    "WebP": encoded(PHOTO, "WEBP"),
    "HEIF": heif(),
    "JPEG with other EXIF": encoded(PHOTO, "JPEG", exif=named("a camera")),
    "no unit": encoded(PHOTO, "WEBP", exif=exif(300, 300, unit=1)),
    "zero": encoded(PHOTO, "WEBP", exif=exif(0, 0)),
    "one": encoded(PHOTO, "TIFF", dpi=(1, 1)),
    "not square": encoded(PHOTO, "PNG", dpi=(300, 150)),
}


@pytest.mark.parametrize("data", STATED.values(), ids=STATED)
def test_decode_reads_the_density(data: bytes) -> None:
    assert decode(data).dpi == pytest.approx(300, abs=0.5)


@pytest.mark.parametrize("data", SILENT.values(), ids=SILENT)
def test_decode_ignores_an_absurd_density(data: bytes) -> None:
    assert decode(data).dpi is None


def dpi_of(data: bytes) -> float | None:
    with Image.open(io.BytesIO(data)) as image:
        return read_dpi(image)


@pytest.mark.parametrize("content", list(Content))
@pytest.mark.parametrize("output", list(OutputFormat))
def test_render_keeps_the_density(output: OutputFormat, content: Content) -> None:
    if content is Content.TRANSPARENT and output is OutputFormat.JPEG:
        return  # There is no such combination.
    picture = render(STATED["PNG"], spec(output=output, content=content, size_px=120), silent)
    assert dpi_of(picture.data) == pytest.approx(300, abs=0.5)
    small = render(STATED["PNG"], spec(output=output, content=content, size_px=120, max_bytes=9_000), silent)
    assert dpi_of(small.data) == pytest.approx(300, abs=0.5)


def test_render_keeps_the_density_of_a_jpeg_that_is_stored_as_rgb() -> None:
    cream = (240, 232, 220)  # Does not survive YCbCr.
    picture = render(STATED["PNG"], spec(output=OutputFormat.JPEG, background=cream, size_px=160, fill=0.5), silent)
    assert picture.findings == ()
    assert dpi_of(picture.data) == pytest.approx(300, abs=0.5)


@pytest.mark.parametrize(("output", "dpi"), [("png", 72), ("jpg", 72), ("webp", None)])
def test_render_states_a_default_density(output: str, dpi: float | None) -> None:
    picture = render(SILENT["PNG"], spec(output=OutputFormat(output), size_px=120), silent)
    assert dpi_of(picture.data) == (None if dpi is None else pytest.approx(dpi, abs=0.5))


def test_render_of_a_generated_picture_keeps_the_density_of_the_original() -> None:
    picture = render(SILENT["PNG"], spec(size_px=120), silent, original=STATED["JPEG"])
    assert dpi_of(picture.data) == pytest.approx(300, abs=0.5)
