from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from generator_service.domain.errors import ImageRejected
from generator_service.domain.task_options import OutputFormat
from generator_service.imaging.cutting import cutout
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.cutout import find_outline, full_alpha
from generator_service.imaging.cutting.fusion import gather
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.output.encode import border_is
from generator_service.imaging.render import render
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import WHITE, codes, decoded, encoded, product_photo, silent, spec

SHAPES = ["box", "ellipse", "ring", "pair"]


def visible_fill(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], background: tuple[int, int, int]) -> float:
    """Return the longest side of all that differs by more than JPEG ringing, as a share of the picture's side."""
    shown = np.abs(pixels.astype(int) - np.array(background)).max(axis=2) > 8
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    return float(max(np.ptp(rows), np.ptp(columns)) + 1) / pixels.shape[0]


@pytest.mark.parametrize("output", list(OutputFormat))
@pytest.mark.parametrize("shape", SHAPES)
def test_border_is_exactly_white_and_the_product_fills_what_was_asked(shape: str, output: OutputFormat) -> None:
    photo, _ = product_photo(shape=shape)
    picture = render(encoded(photo), spec(output=output), silent)
    pixels = decoded(picture.data)
    assert pixels.shape == (400, 400, 3)
    assert border_is(pixels, WHITE)
    assert (pixels[:20] == 255).all()
    assert (pixels[:, :20] == 255).all()
    assert 0.835 <= visible_fill(pixels, WHITE) <= 0.865
    assert 0.835 <= picture.fill <= 0.865


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    backdrop=st.tuples(*[st.integers(120, 255)] * 3),
    background=st.sampled_from([WHITE, (0, 0, 0), (244, 241, 234), (13, 77, 200)]),
    shape=st.sampled_from(SHAPES),
    output=st.sampled_from(OutputFormat),
    fill=st.floats(0.3, 0.95),
    size_px=st.integers(100, 500),
    seed=st.integers(0, 99),
)
def test_any_plain_photo_on_any_background(
    backdrop: tuple[int, int, int],
    background: tuple[int, int, int],
    shape: str,
    output: OutputFormat,
    fill: float,
    size_px: int,
    seed: int,
) -> None:
    photo, _ = product_photo(size=(160, 120), backdrop=backdrop, product=(90, 20, 60), shape=shape, seed=seed)
    asked = spec(size_px=size_px, fill=fill, output=output, background=background)
    picture = render(encoded(photo), asked, silent)
    pixels = decoded(picture.data)
    assert pixels.shape == (size_px, size_px, 3)
    warned = "border_not_exact" in codes(picture.findings)
    assert border_is(pixels, background) or (warned and fill > 0.8)
    assert abs(picture.fill - fill) <= max(0.015, 1.5 / size_px)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cut_out_is_where_the_product_is(shape: str) -> None:
    pixels, truth = product_photo(shape=shape)
    photo = decode(encoded(pixels))
    outline = find_outline(photo, prior=own_network())
    found = full_alpha(photo, outline) > 127
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.95
    assert outline.confidence > (TRUSTED if shape == "ring" else 0.9)
    assert outline.findings == ()


def test_the_opening_of_a_ring_shows_the_background() -> None:
    photo, _ = product_photo(shape="ring")
    pixels = decoded(render(encoded(photo), spec(), silent).data)
    assert (pixels[180:220, 180:220] == 255).all()


def test_no_shadow_and_no_halo_is_left() -> None:
    photo, truth = product_photo(shape="ellipse")
    data = decode(encoded(photo))
    alpha = full_alpha(data, find_outline(data, prior=own_network()))
    far = np.hypot(*np.meshgrid(np.arange(320) - 160, np.arange(240) - 120)) > 0
    outside = far & ~truth
    assert alpha[outside].mean() < 3


def test_its_own_alpha_is_the_cut_out() -> None:
    photo, mask = product_photo(shape="ellipse")
    rgba = np.dstack([photo, np.where(mask, 255, 0).astype(np.uint8)])
    picture = render(encoded(rgba), spec(), silent)
    assert picture.confidence == 1.0
    assert 0.835 <= visible_fill(decoded(picture.data), WHITE) <= 0.865


def test_the_same_photo_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutout, "gather", gather)  # Twice, not kept by the fixture.
    data = encoded(product_photo()[0])
    assert render(data, spec(), silent) == render(data, spec(), silent)


@pytest.mark.parametrize("output", list(OutputFormat))
def test_metadata_is_stripped_and_the_profile_embedded(output: OutputFormat) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    data = encoded(product_photo()[0], "JPEG", quality=95, exif=exif.tobytes(), comment=b"SecretComment")
    assert b"SecretCamera" in data
    picture = render(data, spec(output=output), silent)
    assert b"Secret" not in picture.data
    assert b"Secret" not in picture.thumbnail
    with Image.open(io.BytesIO(picture.data)) as image:
        assert not image.getexif()
        assert image.info["icc_profile"]


@pytest.mark.parametrize("output", list(OutputFormat))
def test_a_byte_limit_is_met_without_breaking_white(output: OutputFormat) -> None:
    photo, _ = product_photo(seed=3)
    free = render(encoded(photo), spec(output=output), silent)
    limit = len(free.data) * 9 // 10
    picture = render(encoded(photo), spec(output=output, max_bytes=limit), silent)
    assert len(picture.data) <= limit
    assert border_is(decoded(picture.data), WHITE)


def test_a_byte_limit_that_can_not_be_met_is_said() -> None:
    picture = render(encoded(product_photo()[0]), spec(max_bytes=500), silent)
    assert any("over the limit of 500" in finding.message for finding in picture.findings)
    assert border_is(decoded(picture.data), WHITE)


def test_automatic_size_keeps_the_photos_own_pixels() -> None:
    photo, mask = product_photo(size=(2000, 1600), shape="ellipse")
    picture = render(encoded(photo, "JPEG", quality=95), spec(size_px=None), silent)
    tall = np.ptp(np.flatnonzero(mask.any(axis=1))) + 1
    assert abs(picture.width - tall / 0.85) < 0.015 * picture.width


def test_automatic_size_never_enlarges_beyond_the_smallest_side_that_the_market_accepts() -> None:
    photo = encoded(product_photo()[0])
    picture = render(photo, spec(size_px=None), silent)
    assert picture.placement is not None
    assert picture.placement.scale == 1.0
    assert "enlarged" not in codes(picture.findings)

    required = render(photo, replace(spec(size_px=None), sides_px=(1000, 2000)), silent)

    assert required.width == 1000
    assert "enlarged" in codes(required.findings)


def test_the_thumbnail_is_a_small_jpeg() -> None:
    picture = render(encoded(product_photo()[0]), spec(size_px=700), silent)
    with Image.open(io.BytesIO(picture.thumbnail)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 320))


def test_progress_never_falls_and_names_every_stage() -> None:
    seen: list[tuple[int, str]] = []
    render(encoded(product_photo()[0]), spec(), lambda percent, stage: seen.append((percent, stage)))
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert seen[0] == (0, "decoding")
    assert seen[-1] == (100, "checking")
    assert list(dict.fromkeys(stage for _, stage in seen)) == [
        "decoding",
        "segmenting",
        "refining",
        "compositing",
        "encoding",
        "checking",
    ]


def test_nothing_but_backdrop_is_refused() -> None:
    with pytest.raises(ImageRejected) as refusal:
        render(encoded(np.full((200, 200, 3), 230, np.uint8)), spec(), silent)
    assert refusal.value.code == "image_no_product"


def test_a_cluttered_photo_is_not_trusted() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    clutter = np.asarray(Image.fromarray(noise).resize((320, 240), Image.Resampling.NEAREST)).copy()
    clutter[80:160, 120:200] = (255, 0, 255)
    picture = render(encoded(clutter), spec(), silent)
    assert picture.confidence is not None
    assert picture.confidence <= 0.4
    assert "cluttered" in codes(picture.findings)


def test_a_product_cut_off_by_the_frame_is_reported() -> None:
    photo, _ = product_photo(shape="box")
    cut = photo[:, 110:]
    picture = render(encoded(cut), spec(), silent)
    assert "product_touches_frame" in codes(picture.findings)


def test_a_tiny_product_is_not_trusted() -> None:
    photo = np.full((400, 400, 3), 220, np.uint8)
    photo[190:210, 190:212] = (30, 30, 120)
    picture = render(encoded(photo), spec(), silent)
    assert picture.confidence is not None
    assert picture.confidence <= 0.4
    assert "product_small" in codes(picture.findings)
