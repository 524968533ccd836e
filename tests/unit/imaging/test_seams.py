from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting import segment as segment_module
from generator_service.imaging.cutting.fusion import fuse, gather, overlap
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.seams import without_seams
from generator_service.imaging.cutting.segment import Mask, second_opinion, segment, shrink
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import Pixels

SIZE = 480, 400
"""Width and height."""
CENTRE = 240, 200
DARK, LIGHT = (70, 62, 58), (252, 252, 252)
FINE = 4
"""Supersampling factor, for soft edges."""

EXAMPLES = Path(__file__).parents[3] / "examples" / "photos"

Canvas = NDArray[np.uint8]
Draw = Callable[[Canvas, int], None]
"""Draws a product in white; the number is what a pixel of the photo counts on the canvas."""


def bag(canvas: Canvas, px: int) -> None:
    cv2.rectangle(canvas, (170 * px, 190 * px), (310 * px, 310 * px), 255, -1)
    cv2.ellipse(canvas, (240 * px, 190 * px), (50 * px, 90 * px), 0, 180, 360, 255, 5 * px)


def lamp(canvas: Canvas, px: int) -> None:
    cv2.ellipse(canvas, (240 * px, 110 * px), (80 * px, 55 * px), 0, 0, 360, 255, -1)
    cv2.line(canvas, (240 * px, 110 * px), (240 * px, 340 * px), 255, 6 * px)
    cv2.ellipse(canvas, (240 * px, 340 * px), (60 * px, 16 * px), 0, 0, 360, 255, -1)


def scissors(canvas: Canvas, px: int) -> None:
    for side in (-1, 1):
        cv2.line(canvas, ((240 - 40 * side) * px, 40 * px), ((240 + 55 * side) * px, 290 * px), 255, 8 * px)
        cv2.ellipse(canvas, ((240 + 62 * side) * px, 320 * px), (26 * px, 36 * px), 0, 0, 360, 255, 8 * px)


def cable(canvas: Canvas, px: int) -> None:
    cv2.rectangle(canvas, (60 * px, 150 * px), (150 * px, 250 * px), 255, -1)
    cv2.line(canvas, (150 * px, 200 * px), (420 * px, 200 * px), 255, 6 * px)
    cv2.rectangle(canvas, (405 * px, 188 * px), (440 * px, 212 * px), 255, -1)


def skewer(canvas: Canvas, px: int) -> None:
    """Draw a straight product that reaches nearly from edge to edge, with a thick middle."""
    cv2.line(canvas, (14 * px, 214 * px), (464 * px, 190 * px), 255, 6 * px)
    cv2.rectangle(canvas, (180 * px, 160 * px), (300 * px, 240 * px), 255, -1)


def pendant(canvas: Canvas, px: int) -> None:
    """Draw a product that hangs on a wire from the photo's upper edge."""
    cv2.line(canvas, (240 * px, 0), (240 * px, 200 * px), 255, 6 * px)
    cv2.ellipse(canvas, (240 * px, 230 * px), (100 * px, 70 * px), 0, 0, 360, 255, -1)


def pair(canvas: Canvas, px: int) -> None:
    for side in (-1, 1):
        cv2.ellipse(canvas, ((240 + 80 * side) * px, 200 * px), (48 * px, 120 * px), 0, 0, 360, 255, -1)


def board(canvas: Canvas, px: int) -> None:
    cv2.ellipse(canvas, (240 * px, 200 * px), (120 * px, 90 * px), 0, 0, 360, 255, -1)


THIN = bag, lamp, scissors, cable, skewer, pendant


def photo(
    draw: Draw,
    *,
    angle: float = 0.0,
    aside: float = 0.0,
    width: float = 0.0,
    colour: tuple[int, int, int] = DARK,
    seed: int = 0,
) -> tuple[Pixels, Mask, Mask]:
    """Take a photo of a product before a backdrop with a line across; return it, where the product is, and the line.

    The line goes through the middle of the photo, ``aside`` pixels off, at an angle in degrees; none has width 0.
    """
    columns, rows = SIZE
    large = rows * FINE, columns * FINE
    large_product, large_line = np.zeros(large, np.uint8), np.zeros(large, np.uint8)
    draw(large_product, FINE)
    if width:
        ux, uy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        x0, y0, far = CENTRE[0] - uy * aside, CENTRE[1] + ux * aside, 1000.0
        one, other = ((round((x0 + way * ux) * FINE), round((y0 + way * uy) * FINE)) for way in (-far, far))
        cv2.line(large_line, one, other, 255, round(width * FINE))
    product, line = (
        np.asarray(cv2.resize(drawn, SIZE, interpolation=cv2.INTER_AREA)) for drawn in (large_product, large_line)
    )
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    picture = np.array((206, 207, 210)) * (0.95 + 0.05 * x - 0.04 * y * y)[:, :, None]
    for drawn, paint in ((line, np.array(colour)), (product, np.array((96, 58, 40)) * (0.8 + 0.3 * x)[:, :, None])):
        share = drawn[:, :, None] / 255.0
        picture = picture * (1.0 - share) + paint * share
    picture += np.random.default_rng(seed).normal(0.0, 2.0, picture.shape)
    _, file = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8), product > 127, line > 127


def without_the_rule(monkeypatch: pytest.MonkeyPatch, picture: Pixels) -> Mask:
    with monkeypatch.context() as patch:
        patch.setattr(segment_module, "without_seams", lambda mask, _rgb, _noise: mask)
        return segment(picture).mask


def seen_of_the_line(mask: Mask, product: Mask, line: Mask) -> int:
    """Count the pixels of the line in the mask, except those of the product and its soft edge."""
    near = cv2.dilate(product.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return int(np.count_nonzero(mask & line & ~near))


@pytest.mark.parametrize(
    ("draw", "angle", "aside", "width", "colour"),
    [
        (pair, 0, 0, 4, DARK),
        (pair, 17, 36, 7, LIGHT),
        (pair, 45, 36, 2, DARK),
        (pair, 90, -60, 7, DARK),
        (pair, 118, 36, 4, DARK),
        (board, 0, 20, 7, LIGHT),
        (board, 17, 20, 4, LIGHT),
        (board, 45, 20, 7, DARK),
        (board, 90, 20, 2, DARK),
        (board, 118, 20, 7, LIGHT),
    ],
)
def test_a_line_that_runs_behind_the_product_from_edge_to_edge_is_gone(
    draw: Draw, angle: float, aside: float, width: float, colour: tuple[int, int, int]
) -> None:
    picture, product, line = photo(draw, angle=angle, aside=aside, width=width, colour=colour)
    mask = segment(picture).mask
    assert seen_of_the_line(mask, product, line) == 0
    assert overlap(mask, product) >= 0.985


@pytest.mark.parametrize(
    ("draw", "angle", "aside", "width", "colour", "least"),
    [
        (bag, 0, -60, 4, DARK, 0.96),
        (bag, 118, 0, 7, LIGHT, 0.96),
        (lamp, 17, 0, 4, DARK, 0.96),
        (lamp, 150, 20, 6, LIGHT, 0.96),
        (scissors, 0, -60, 4, DARK, 0.9),
        (cable, 70, 20, 5, DARK, 0.96),
    ],
)
def test_a_line_that_crosses_thin_parts_is_gone_and_they_are_not(
    monkeypatch: pytest.MonkeyPatch,
    draw: Draw,
    angle: float,
    aside: float,
    width: float,
    colour: tuple[int, int, int],
    least: float,
) -> None:
    picture, product, line = photo(draw, angle=angle, aside=aside, width=width, colour=colour)
    before, after = without_the_rule(monkeypatch, picture), segment(picture).mask
    assert seen_of_the_line(before, product, line) > 500
    assert seen_of_the_line(after, product, line) <= 20
    assert overlap(after, product) >= max(least, overlap(before, product))


@pytest.mark.parametrize("draw", [*THIN, pair, board], ids=lambda draw: draw.__name__)
def test_straps_handles_stands_and_wires_stay_to_the_bit(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> None:
    picture, product, _ = photo(draw)
    mask = segment(picture).mask
    assert np.array_equal(mask, without_the_rule(monkeypatch, picture))
    assert overlap(mask, product) >= 0.94


@pytest.mark.parametrize("seed", range(25))
def test_what_lies_wholly_inside_the_photo_is_never_touched(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = np.zeros((400, 480), np.uint8)
    centre, axes = rng.integers((150, 130), (330, 270)), rng.integers(20, 90, 2)
    cv2.ellipse(drawn, centre.tolist(), axes.tolist(), 0, 0, 360, 255, -1)
    for _ in range(4):
        one, other = rng.integers((12, 12), (468, 388), (2, 2)).tolist()
        cv2.line(drawn, one, other, 255, int(rng.integers(1, 9)))
    share = drawn[:, :, None] / 255.0
    picture = np.array((206, 207, 210)) * (1.0 - share) + np.array((60, 50, 40)) * share
    picture += rng.normal(0.0, 2.0, picture.shape)
    mask = drawn > 127
    assert without_seams(mask, np.clip(picture, 0, 255).astype(np.uint8), 1.0) is mask


def test_the_second_opinion_sees_no_line_either() -> None:
    picture, product, line = photo(pair, width=7)
    small = shrink(picture, 320)
    mask = second_opinion(picture)
    assert mask.shape == small.shape[:2]
    truth, across = (cv2.resize(m.astype(np.uint8), small.shape[1::-1]) > 0 for m in (product, line))
    assert seen_of_the_line(mask, truth, across) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (5, 7), (16, 16), (33, 20)])
def test_tiny_pictures_are_no_trouble(shape: tuple[int, int]) -> None:
    mask = np.ones(shape, np.bool_)
    mask[::4] = False
    noisy = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert without_seams(mask, noisy, 0.0).shape == shape


def test_the_gaps_between_the_boards_under_the_bundled_shoes_are_gone() -> None:
    sandals = segment(shrink(decode((EXAMPLES / "sandals.jpg").read_bytes()).rgb, 480)).mask
    height = len(sandals)
    assert sandals.any()
    assert not sandals[: height // 7].any()
    assert not sandals[-height // 6 :].any()
    loafers = segment(shrink(decode((EXAMPLES / "loafers.jpg").read_bytes()).rgb, 480)).mask
    assert loafers.any()
    assert not loafers[:, -loafers.shape[1] // 20 :].any()


def test_a_network_does_not_bring_the_gap_between_the_boards_back() -> None:
    rgb = decode((EXAMPLES / "sandals.jpg").read_bytes()).rgb
    evidence = gather(rgb, own_network())
    seen = evidence.whole > 0.5
    assert seen[-len(seen) // 20 :].any()  # It takes the gap for a part of the shoe.
    sandals = fuse(evidence).mask
    height = len(sandals)
    assert sandals.any()
    assert not sandals[: height // 7].any()
    assert not sandals[-height // 6 :].any()
