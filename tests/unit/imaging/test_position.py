"""A product is turned, scaled, moved and cropped by hand, and the report measures the result as it is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Region
from generator_service.domain.position import Position
from generator_service.domain.report import Verdict
from generator_service.imaging.output.compose import Canvas, compose
from generator_service.imaging.output.turning import turned
from generator_service.imaging.render import RenderedPicture, render
from tests.unit.imaging.photos import decoded, encoded, product_photo, silent, spec

WHITE = (255, 255, 255)
MARK = (20, 60, 200)


def composed(position: Position, size_px: int | None = 400) -> Canvas:
    """Compose a red bar of 100 × 40 pixels."""
    colours, alpha = np.full((60, 120, 3), 255, np.uint8), np.zeros((60, 120), np.uint8)
    colours[10:50, 10:110], alpha[10:50, 10:110] = (180, 30, 20), 255
    return compose(colours, alpha, size_px=size_px, fill=0.5, background=WHITE, position=position)


def box_of(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels that are not white."""
    rows, columns = np.nonzero((pixels < 250).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize(
    ("position", "box"),
    [
        (Position(), (100, 160, 300, 240)),
        (Position(rotation=90), (160, 100, 240, 300)),
        (Position(rotation=-180), (100, 160, 300, 240)),
        (Position(move_x=0.1, move_y=-0.25), (140, 60, 340, 140)),
        (Position(scale=0.5), (150, 180, 250, 220)),
        (Position(scale=1.5, move_y=0.1), (50, 180, 350, 300)),
        (Position(rotation=90, scale=1.5, move_x=-0.2), (60, 50, 180, 350)),
        (Position(scale=3), (0, 80, 400, 320)),
        (Position(move_x=0.5), (300, 160, 400, 240)),
    ],
)
def test_the_fitted_product_is_turned_scaled_and_moved(position: Position, box: tuple[int, int, int, int]) -> None:
    canvas = composed(position)
    assert canvas.pixels.shape == (400, 400, 3)
    assert box_of(canvas.pixels) == pytest.approx(box, abs=1)
    assert canvas.fill == pytest.approx(max(box[2] - box[0], box[3] - box[1]) / 400, abs=0.006)
    # The alpha lies over the picture.
    rows, columns = np.nonzero(canvas.alpha)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == pytest.approx(box, abs=1)


def test_the_fill_is_that_of_the_visible_part() -> None:
    colours, alpha = np.full((100, 100, 3), 255, np.uint8), np.zeros((100, 100), np.uint8)
    for part in (np.s_[0:100, 0:10], np.s_[90:100, 0:100]):  # An L; its left stroke leaves the picture.
        colours[part], alpha[part] = (180, 30, 20), 255
    moved = Position(move_x=-0.5)
    canvas = compose(colours, alpha, size_px=200, fill=0.8, background=WHITE, position=moved)
    left, top, right, bottom = box_of(canvas.pixels)
    assert bottom - top < 40
    assert canvas.fill == pytest.approx((right - left) / 200, abs=0.01)


@pytest.mark.parametrize("pixels", [1, 4, 10])
def test_a_product_of_a_few_pixels_is_enlarged_within_the_canvas(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []

    def noted(pixels: NDArray[np.uint8], *values: object, **options: object) -> NDArray[np.uint8]:
        drawn: NDArray[np.uint8] = np.asarray(warp(pixels, *values, **options), np.uint8)  # type: ignore[call-overload]
        sides.extend(drawn.shape[:2])
        return drawn

    warp = cv2.warpAffine
    monkeypatch.setattr(cv2, "warpAffine", noted)
    colours, alpha = np.full((pixels, pixels, 3), 20, np.uint8), np.full((pixels, pixels), 255, np.uint8)
    canvas = compose(colours, alpha, size_px=200, fill=1.0, background=WHITE, position=Position(scale=4.0))
    assert max(sides) <= 200
    assert canvas.fill == 1.0
    assert (canvas.pixels == 20).all()


@pytest.mark.parametrize("degrees", [-170.0, -45.0, 3.3, 30.0, 117.0])
def test_a_turned_product_is_fitted_again_on_exact_white(degrees: float) -> None:
    canvas = composed(Position(rotation=degrees))
    left, top, right, bottom = box_of(canvas.pixels)
    assert max(right - left, bottom - top) == pytest.approx(200, abs=3)
    assert (left + right) / 2 == pytest.approx(200, abs=1)
    near = cv2.dilate(canvas.alpha, np.ones((5, 5), np.uint8)) > 0
    assert (canvas.pixels[~near] == 255).all()


@pytest.mark.parametrize("degrees", [90.0, 180.0, -90.0])
def test_quarter_turns_keep_every_pixel(degrees: float) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    whole = turned(pixels, pixels[:, :, 0], degrees, WHITE)
    size = (3, 2) if degrees != 180.0 else (2, 3)
    assert whole.layer.alpha.shape == size
    assert sorted(whole.layer.alpha.ravel()) == sorted(pixels[:, :, 0].ravel())
    # The first pixel is in the corner to which the photo's top left one turns.
    column, row = {90.0: (1, 0), 180.0: (2, 1), -90.0: (0, 2)}[degrees]
    assert (whole.layer.pixels[row, column] == pixels[0, 0]).all()


def test_an_automatic_side_keeps_the_pixels_of_a_scaled_product() -> None:
    canvas = composed(Position(scale=0.5), size_px=None)
    assert (canvas.pixels.shape[0], canvas.enlargement) == (400, 1.0)


def test_a_huge_product_is_turned_within_bounds() -> None:
    whole = turned(np.zeros((16, 30_000, 3), np.uint8), np.full((16, 30_000), 255, np.uint8), 45.0, WHITE)
    assert max(whole.layer.alpha.shape) < 10_000
    assert whole.scale == pytest.approx(1 / 3, rel=0.01)


def marked(position: Position, crop: Region | None = None) -> tuple[RenderedPicture, tuple[float, float]]:
    """Render a photo with a blue mark; return the middle of the mark in the photo, too."""
    photo, product = product_photo(size=(320, 240), shadow=False)
    rows, columns = np.nonzero(product)
    left, top = int(columns.min()) + 26, int(rows.min()) + 30
    photo[top : top + 24, left : left + 32] = MARK
    return render(encoded(photo), replace(spec(size_px=640), position=position, crop=crop), silent), (
        left + 16,
        top + 12,
    )


@pytest.mark.parametrize("crop", [None, Region(left=0.1, top=0.15, right=0.75, bottom=0.95)])
@pytest.mark.parametrize(
    "position",
    [
        Position(),
        Position(rotation=90),
        Position(rotation=-33),
        Position(scale=0.6, move_x=0.12),
        Position(rotation=15, scale=1.3, move_x=-0.1, move_y=0.05),
    ],
)
def test_point_of_the_photo_is_where_the_placement_says(position: Position, crop: Region | None) -> None:
    made, point = marked(position, crop)
    assert made.placement is not None
    assert (made.placement.photo_width, made.placement.photo_height) == (320, 240)
    assert made.placement.rotation == position.rotation
    rows, columns = np.nonzero(np.abs(decoded(made.data)[:, :, :3].astype(int) - MARK).max(axis=2) < 60)
    middle = (float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)
    assert made.placement.point(*point) == pytest.approx(middle, abs=1.5)


def test_nothing_outside_of_the_crop_is_shown_and_the_mask_stays_whole() -> None:
    half = Region(left=0.0, top=0.0, right=0.5, bottom=1.0)
    whole, _ = marked(Position())
    cropped, _ = marked(Position(), half)
    assert whole.mask == cropped.mask
    assert cropped.placement is not None
    # The product is fitted without its right half, whose edge is where the photo is cut.
    right = box_of(decoded(cropped.data))[2]
    assert cropped.placement.box(half)[2] == pytest.approx(right, abs=1.5)
    checks = {check.name: check for check in cropped.report.checks}
    assert checks["fill"].verdict is Verdict.PASSED
    assert checks["whole"].verdict is Verdict.WARNED


def test_a_crop_without_product_is_refused() -> None:
    with pytest.raises(ImageRejected, match="the crop contains no part of the product"):
        marked(Position(), Region(left=0.0, top=0.0, right=0.02, bottom=0.02))


def test_the_report_measures_the_position_as_it_is() -> None:
    moved = {check.name: check for check in marked(Position(move_x=0.04, scale=0.9))[0].report.checks}
    assert moved["fill"].value == pytest.approx(0.85 * 0.9, abs=0.01)
    assert moved["centring"].value == pytest.approx(0.04, abs=0.003)
    assert (moved["fill"].verdict, moved["centring"].verdict) == (Verdict.PASSED, Verdict.WARNED)
    # A turned product is as sharp as the photo, although its box is another one.
    turned_checks = {check.name: check for check in marked(Position(rotation=45))[0].report.checks}
    assert turned_checks["sharpness"].verdict is Verdict.PASSED
    cut_off = {check.name: check for check in marked(Position(scale=2.0))[0].report.checks}
    assert (cut_off["border"].verdict, cut_off["fill"].value) == (Verdict.WARNED, 1.0)


def test_a_generated_product_is_recognised_however_it_is_turned() -> None:
    photo = encoded(product_photo(shadow=False)[0])
    made = render(photo, replace(spec(size_px=640), position=Position(rotation=90, scale=1.5)), silent, original=photo)
    checks = {check.name: check for check in made.report.checks}
    assert checks["same_product"].value == pytest.approx(1.0, abs=0.02)
