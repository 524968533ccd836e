"""Photos whose product is marked by the user get the same exact white, fit and report, and no engine doubts."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.imaging.cutting.cutout import find_outline
from generator_service.imaging.cutting.mask import read_mask
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.output.encode import MASK_SIDE, border_is, encode_mask
from generator_service.imaging.render import render
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import WHITE, decoded, encoded, product_photo, silent, spec


def hint(kind: HintKind, left: float, top: float, right: float, bottom: float) -> Hint:
    return Hint(region=Region(left=left, top=top, right=right, bottom=bottom), kind=kind)


def clutter(size: tuple[int, int] = (320, 240)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A photo that none of our engines can cut out: coloured noise as product and backdrop."""
    noise = np.random.default_rng(1).integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("scale", [1, 0.5])
def test_the_mask_decides_whatever_the_photo_shows(scale: float) -> None:
    photo = clutter()
    mask = np.zeros((240, 320), np.uint8)
    cv2.ellipse(mask, (160, 120), (100, 60), 0, 0, 360, 255, -1, lineType=cv2.LINE_AA)
    size = (round(320 * scale), round(240 * scale))
    file = encoded(np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8))

    picture = render(encoded(photo), replace(spec(size_px=240), mask=file), silent)

    pixels = decoded(picture.data)
    assert border_is(pixels, WHITE)
    assert picture.fill == pytest.approx(0.85, abs=0.01)
    assert picture.confidence is None
    assert picture.findings == ()
    assert {"border", "fill", "halo"} <= {check.name for check in picture.report.checks}
    shown = np.abs(pixels.astype(int) - 255).max(axis=2) > 4
    rows, columns = np.ptp(np.flatnonzero(shown.any(axis=1))), np.ptp(np.flatnonzero(shown.any(axis=0)))
    assert rows / columns == pytest.approx(0.6, abs=0.05), "it has the mask's shape"


def test_a_mask_of_a_photo_that_is_stored_turned_lies_over_the_upright_one() -> None:
    photo, product = product_photo(size=(320, 240), shape="box", shadow=False)
    upright = np.rot90(photo, -1)
    stored = cv2.rotate(np.ascontiguousarray(upright), cv2.ROTATE_90_COUNTERCLOCKWISE)
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(np.asarray(stored), "JPEG", quality=95, exif=exif)
    mask = np.ascontiguousarray(np.rot90(product, -1)).astype(np.uint8) * 255
    assert mask.shape == (320, 240)

    render(file, replace(spec(), mask=encoded(mask)), silent)
    with pytest.raises(ImageRejected) as raised:
        render(file, replace(spec(), mask=encoded(product.astype(np.uint8) * 255)), silent)
    assert raised.value.code == "mask_mismatch"


def test_the_mask_of_a_result_lies_over_the_photo_and_gives_the_same_result_again() -> None:
    photo, product = product_photo(size=(640, 480), shape="ellipse")
    first = render(encoded(photo), spec(), silent)
    assert first.mask is not None
    mask = read_mask(first.mask)
    assert mask.shape == (480, 640)
    assert np.mean((mask >= 128) != product) < 0.005

    again = render(encoded(photo), replace(spec(), mask=first.mask), silent)

    assert again.mask == first.mask
    assert again.data == first.data


def test_masks_of_results_are_bounded_in_size() -> None:
    assert read_mask(encode_mask(np.full((1000, 4096), 255, np.uint8))).shape == (500, MASK_SIDE)
    assert read_mask(encode_mask(np.full((1, 4096), 255, np.uint8)[:, :300].repeat(20, axis=0))).shape == (20, 300)


def test_a_generated_picture_has_no_mask_of_the_photo() -> None:
    photo, _ = product_photo()
    made, _ = product_photo(seed=5, backdrop=(255, 255, 255), shadow=False)
    assert render(encoded(made), spec(), silent, original=encoded(photo)).mask is None


def test_a_dropped_region_is_not_in_the_picture() -> None:
    photo, _ = product_photo(shape="pair")
    whole = render(encoded(photo), spec(), silent)
    hints = (hint(HintKind.DROP, 0.5, 0.0, 1.0, 1.0),)
    half = render(encoded(photo), replace(spec(), hints=hints), silent)
    assert half.mask is not None
    assert not read_mask(half.mask)[:, 160:].any()
    assert half.fill == pytest.approx(0.85, abs=0.02)
    assert half.data != whole.data


def test_hints_that_drop_everything_leave_no_product() -> None:
    photo, _ = product_photo()
    with pytest.raises(ImageRejected) as raised:
        render(encoded(photo), replace(spec(), hints=(hint(HintKind.DROP, 0.0, 0.0, 1.0, 1.0),)), silent)
    assert raised.value.code == "image_no_product"
    assert "hints" in str(raised.value)


def test_a_product_in_the_backdrops_colour_is_found_where_a_hint_says_so() -> None:
    photo, product = product_photo(size=(480, 360), shape="ellipse", shadow=False, seed=2)
    faint = np.where(product[:, :, None], np.clip(photo[0, 0].astype(int) - 9, 0, 255), photo).astype(np.uint8)
    hints = (hint(HintKind.KEEP, 0.2, 0.1, 0.8, 0.9),)
    outline = find_outline(decode(encoded(faint)), prior=own_network(), hints=hints)
    assert outline.coarse is not None
    mask = outline.coarse.mask
    assert np.count_nonzero(mask & product) / np.count_nonzero(mask | product) > 0.9


def test_a_hint_without_effect_is_reported() -> None:
    photo, _ = product_photo(shadow=False)
    hints = (hint(HintKind.KEEP, 0.02, 0.02, 0.15, 0.12),)
    findings = render(encoded(photo), replace(spec(), hints=hints), silent).findings
    assert [each.region for each in findings if each.code == "hint_without_effect"] == [hints[0].region]


def test_hints_change_a_finished_cut_out_and_what_another_engine_found() -> None:
    photo, product = product_photo(shape="pair", shadow=False)
    alpha = product.astype(np.uint8) * 255
    hints = (hint(HintKind.DROP, 0.5, 0.0, 1.0, 1.0),)
    cut_out = encoded(np.dstack([photo, alpha]))
    for picture in (
        render(cut_out, replace(spec(), hints=hints), silent),
        render(encoded(photo), replace(spec(), hints=hints), silent, prior=lambda _: product.astype(np.float32)),
    ):
        assert picture.mask is not None
        mask = read_mask(picture.mask)
        assert not mask[:, 160:].any()
        assert mask[:, :160].any()
