"""Fusion of the colour-based mask with a network's; the networks are synthetic."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.doubts import doubts
from generator_service.imaging.cutting.fusion import Evidence, fuse, gather, overlap, undecided
from generator_service.imaging.cutting.network import Prior
from generator_service.imaging.cutting.segment import segment
from tests.unit.imaging.photos import product_photo

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
SIDE = 360


def backdrop(level: int = 226) -> Pixels:
    noise = np.random.default_rng(0).normal(level, 1.0, (SIDE, SIDE, 1))
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8).repeat(3, axis=2)


def seeing(alpha: Mask | NDArray[np.float32], photo: Pixels) -> Prior:
    """Return a network that finds ``alpha`` in the photo, and the same part of it in a close-up."""

    def prior(rgb: Pixels) -> NDArray[np.float32]:
        found = cv2.matchTemplate(photo, rgb, cv2.TM_SQDIFF)
        _, _, (left, top), _ = cv2.minMaxLoc(found)
        seen = alpha[top : top + rgb.shape[0], left : left + rgb.shape[1]].astype(np.float32)
        return np.asarray(cv2.resize(seen, (240, max(1, round(240 * rgb.shape[0] / rgb.shape[1])))), np.float32)

    return prior


def fused(photo: Pixels, alpha: Mask | NDArray[np.float32]) -> Mask:
    return fuse(gather(photo, seeing(alpha, photo))).mask


def test_a_part_that_only_the_network_sees_is_added() -> None:
    """A clutter of stripes hides half of the product from the colours."""
    photo, truth = product_photo(size=(SIDE, SIDE), shape="box", shadow=False)
    photo[: SIDE // 2][truth[: SIDE // 2]] = (199, 201, 205)
    assert overlap(truth, segment(photo).mask) < 0.7
    assert overlap(truth, fused(photo, truth)) > 0.93


def test_an_opening_stays_open_where_the_network_fills_it() -> None:
    photo, truth = product_photo(size=(SIDE, SIDE), shape="ring", shadow=False)
    filled = np.zeros((SIDE, SIDE), np.uint8)
    contours, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, contours, -1, 1, -1)
    assert overlap(truth, fused(photo, filled > 0)) > 0.93


def test_an_item_that_the_network_overlooks_is_kept() -> None:
    photo = backdrop()
    book, pen = np.zeros((SIDE, SIDE), np.bool_), np.zeros((SIDE, SIDE), np.bool_)
    book[60:300, 50:220] = True
    pen[80:280, 270:282] = True
    photo[book], photo[pen] = (40, 70, 140), (30, 30, 30)
    assert overlap(book | pen, fused(photo, book)) > 0.95


def test_a_network_that_sees_nothing_takes_nothing_out() -> None:
    photo, truth = product_photo(size=(SIDE, SIDE))
    assert overlap(truth, fused(photo, np.zeros((SIDE, SIDE), np.bool_))) > 0.93


def test_on_a_cluttered_photo_a_sharp_network_outweighs_the_colours() -> None:
    rng = np.random.default_rng(5)
    tiles = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
    photo = np.asarray(cv2.resize(tiles, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), np.uint8)
    truth = np.zeros((SIDE, SIDE), np.bool_)
    truth[110:250, 120:240] = True
    photo[truth] = (225, 120, 40)
    evidence = gather(photo, seeing(truth, photo))
    assert not evidence.found.backdrop.plain
    assert overlap(truth, fuse(evidence).mask) > 0.93


@pytest.mark.parametrize(
    ("side", "seen", "filled"),
    [(12, False, True), (22, True, True), (22, False, False), (60, True, False)],
    ids=["an eye", "a pocket that the network sees", "an opening that it leaves", "a handle"],
)
def test_small_holes_in_a_cluttered_cut_out_are_filled(side: int, seen: bool, filled: bool) -> None:
    cut = np.zeros((SIDE, SIDE), np.bool_)
    cut[100:260, 100:260] = True
    hole = np.zeros_like(cut)
    hole[170 : 170 + side, 150 : 150 + side] = True
    network = (cut & (seen | ~hole)).astype(np.float32)
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    segmentation = segment(noise)
    assert not segmentation.backdrop.plain
    evidence = Evidence(
        small=noise, found=segmentation, colour=cut & ~hole, whole=network, close=network, cut=cut & ~hole
    )
    assert fuse(evidence).mask[hole].all() == filled


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.0), (1.0, 0.0), (0.5001, 1.0)])
def test_what_is_neither_product_nor_backdrop_is_counted(value: float, expected: float) -> None:
    assert undecided(np.full((10, 10), value, np.float32)) == expected


def test_masks_of_two_sizes_are_compared_as_one() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[30:70, 30:70] = True
    assert overlap(mask, mask[::2, ::2]) == 1.0
    assert overlap(mask, np.zeros((10, 10), np.bool_)) == 0.0


def test_a_plate_in_the_backdrops_shade_is_no_opening_between_its_rim_and_its_food() -> None:
    photo = backdrop()
    plate, food, uncovered = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(3))
    cv2.circle(plate, (200, 180), 120, 1, -1)
    cv2.circle(uncovered, (200, 180), 114, 1, -1)
    food[70:290, 150:330] = 1
    photo[plate > 0] = (30, 40, 90)
    photo[uncovered > 0] = (186, 184, 184)  # In the food's shadow.
    photo[food > 0] = (200, 150, 40)
    opening = (uncovered > 0) & (food == 0)
    whole = (plate | food) > 0
    evidence = gather(photo, seeing(whole & ~opening, photo))
    found = fuse(evidence)
    assert overlap(whole, found.mask) > 0.97
    finding = next(each for each in doubts(found.mask, evidence) if each.code == "uncertain_outline")
    assert finding.region is not None
    assert finding.region.left == pytest.approx(86 / SIDE, abs=0.04)
    assert finding.region.right == pytest.approx(150 / SIDE, abs=0.04)
