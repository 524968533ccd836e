"""Cut-outs, masks and shadows: content other than a picture on white."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from generator_service.domain.task_options import Content, OutputFormat, Shadow
from generator_service.imaging.output.encode import border_is, encode
from generator_service.imaging.output.shadow import contact_shadow
from generator_service.imaging.render import render
from tests.unit.imaging.photos import WHITE, Pixels, codes, decoded, encoded, product_photo, silent, spec

PHOTO = encoded(product_photo(shape="ellipse")[0])
LOSSLESS = [OutputFormat.PNG, OutputFormat.WEBP]


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def over(cutout: Image.Image, colour: tuple[int, int, int]) -> Pixels:
    """Lay a cut-out over a colour, as a page would."""
    below = Image.new("RGBA", cutout.size, (*colour, 255))
    return np.asarray(Image.alpha_composite(below, cutout).convert("RGB"))


@pytest.mark.parametrize("output", LOSSLESS)
def test_a_cut_out_is_clear_around_and_laid_over_white_it_is_the_picture(output: OutputFormat) -> None:
    cutout = opened(render(PHOTO, spec(output=output, content=Content.TRANSPARENT), silent).data)
    assert cutout.mode == "RGBA"
    pixels = np.asarray(cutout)
    assert border_is(pixels, (0, 0, 0, 0))
    assert (pixels[:, :, 3] == 255).mean() > 0.3
    picture = decoded(render(PHOTO, spec(), silent).data)
    difference = np.abs(over(cutout, WHITE).astype(int) - picture)
    assert difference.mean() < 0.5


def test_a_cut_out_of_a_black_product_has_its_size() -> None:
    black = encoded(product_photo(shape="box", product=(3, 3, 3))[0])
    cutout = opened(render(black, spec(content=Content.TRANSPARENT), silent).data)
    left, top, right, bottom = cutout.getchannel("A").point(lambda value: 255 * (value > 4)).getbbox() or (0, 0, 0, 0)
    assert abs(max(right - left, bottom - top) - 340) <= 3


@pytest.mark.parametrize("output", list(OutputFormat))
def test_a_mask_lies_over_the_picture(output: OutputFormat) -> None:
    mask = decoded(render(PHOTO, spec(output=output, content=Content.MASK), silent).data)[:, :, 0].astype(int)
    picture = decoded(render(PHOTO, spec(), silent).data).astype(int)
    assert border_is(mask.astype(np.uint8), (0,))
    assert (picture[mask == 0] >= (253 if output is not OutputFormat.JPEG else 200)).all()
    assert picture[mask > 250].mean() < 150


def test_the_mask_of_a_file_with_alpha_is_grey() -> None:
    assert opened(render(PHOTO, spec(content=Content.MASK), silent).data).mode == "L"


@pytest.mark.parametrize("output", list(OutputFormat))
@pytest.mark.parametrize("background", [WHITE, (240, 232, 220)])
def test_a_contact_shadow_is_under_the_product_and_not_at_the_border(
    output: OutputFormat, background: tuple[int, int, int]
) -> None:
    plain = render(PHOTO, spec(output=output, background=background), silent)
    shaded = render(PHOTO, spec(output=output, background=background, shadow=Shadow.CONTACT), silent)
    pixels, without = decoded(shaded.data).astype(int), decoded(plain.data).astype(int)
    assert border_is(pixels.astype(np.uint8), background)
    darker = without - pixels
    assert darker[369:372, 185:215].min() > 25, "below the product's lowest point"
    assert np.abs(darker[:330]).max() <= 12, "nothing but what the encoder does further up"
    assert shaded.fill == plain.fill
    assert np.abs(darker[200, 150:250]).max() <= 12, "the product itself is not darkened"


def test_a_cut_out_keeps_its_shadow_as_black_haze() -> None:
    cutout = opened(render(PHOTO, spec(content=Content.TRANSPARENT, shadow=Shadow.CONTACT), silent).data)
    on_white = over(cutout, WHITE).astype(int)
    picture = decoded(render(PHOTO, spec(shadow=Shadow.CONTACT), silent).data).astype(int)
    assert np.abs(on_white - picture).mean() < 0.5
    assert border_is(np.asarray(cutout), (0, 0, 0, 0))


def test_no_shadow_where_there_is_no_room() -> None:
    alpha = np.zeros((200, 200), np.uint8)
    alpha[20:199, 50:150] = 255
    assert contact_shadow(alpha).max() == 0
    assert contact_shadow(np.zeros((200, 200), np.uint8)).max() == 0


def test_a_shadow_goes_smoothly_to_nothing() -> None:
    alpha = np.zeros((600, 600), np.uint8)
    alpha[60:540, 100:500] = 255
    shadow = contact_shadow(alpha)
    assert 0.35 < shadow.max() <= 0.45
    steps = np.abs(np.diff(shadow, axis=0)).max()
    assert steps < 0.12
    assert shadow[575:].max() == 0
    assert shadow[:, :5].max() == 0
    assert shadow[:480].max() < 0.01


@pytest.mark.parametrize("content", [Content.TRANSPARENT, Content.MASK])
@pytest.mark.parametrize("output", LOSSLESS)
def test_byte_limits_hold_for_cut_outs_and_masks(content: Content, output: OutputFormat) -> None:
    free = render(PHOTO, spec(output=output, content=content), silent)
    limit = len(free.data) * 95 // 100 if content is Content.TRANSPARENT else len(free.data)
    picture = render(PHOTO, spec(output=output, content=content, max_bytes=limit), silent)
    assert len(picture.data) <= limit
    assert "file_too_large" not in codes(picture.findings)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_highest_quality_that_fits_is_taken(share: float) -> None:
    photo = encoded(product_photo(size=(900, 700), seed=3)[0])
    free = len(render(photo, spec(size_px=800, output=OutputFormat.JPEG), silent).data)
    limit = round(free * share)
    picture = render(photo, spec(size_px=800, output=OutputFormat.JPEG, max_bytes=limit), silent)
    assert limit * 0.75 <= len(picture.data) <= limit
    assert border_is(decoded(picture.data), WHITE)


def test_a_coloured_background_is_exact_under_a_byte_limit() -> None:
    photo = encoded(product_photo(size=(900, 700), seed=3)[0])
    beige = (244, 241, 234)
    free = render(photo, spec(size_px=800, output=OutputFormat.JPEG, background=beige), silent)
    limit = len(free.data) // 2
    picture = render(photo, spec(size_px=800, output=OutputFormat.JPEG, background=beige, max_bytes=limit), silent)
    assert len(picture.data) <= limit
    assert border_is(decoded(picture.data), beige)


@pytest.mark.parametrize("output", [OutputFormat.PNG, OutputFormat.JPEG, OutputFormat.WEBP])
def test_the_colour_profile_does_not_state_when_the_process_started(output: OutputFormat) -> None:
    """The same photo yields the same file in every process."""
    file = encode(np.full((64, 64, 3), 255, np.uint8), output, WHITE, None).data
    with Image.open(io.BytesIO(file)) as image:
        assert image.info["icc_profile"][24:36] == bytes.fromhex("07d0 0001 0001 0000 0000 0000")


def test_a_large_png_holds_its_pixels() -> None:
    pixels = np.full((2048, 2048, 3), 255, np.uint8)
    pixels[500:1500, 400:1600] = np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), np.uint8)
    assert np.array_equal(decoded(encode(pixels, OutputFormat.PNG, WHITE, None).data), pixels)


@pytest.mark.parametrize("max_bytes", [None, 60_000, 9_000])
@pytest.mark.parametrize(
    ("output", "channels"),
    [
        *((OutputFormat.PNG, channels) for channels in (1, 3, 4)),
        *((OutputFormat.WEBP, channels) for channels in (1, 3, 4)),
        *((OutputFormat.JPEG, channels) for channels in (1, 3)),
    ],
)
def test_what_the_report_judges_is_what_a_viewer_sees(
    output: OutputFormat, max_bytes: int | None, channels: int
) -> None:
    """Also where the colours are reduced to a palette for a limit."""
    pixels = np.zeros((200, 200, channels), np.uint8) if channels == 4 else np.full((200, 200, channels), 255, np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (100, 100, channels), np.uint8)
    pixels[50:150, 50:150] = noise
    pixels = pixels[:, :, 0] if channels == 1 else pixels
    background = (0, 0, 0, 0) if channels == 4 else WHITE[:channels]
    file = encode(pixels, output, background, max_bytes)
    with Image.open(io.BytesIO(file.data)) as image:
        seen = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    assert np.array_equal(file.pixels, seen)
    if output is OutputFormat.PNG and channels == 3:
        assert np.array_equal(seen, pixels) is (max_bytes != 9_000), "the smallest limit needs a palette"
