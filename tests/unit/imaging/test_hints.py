"""Hints remove marked parts, keep marked parts that differ from the backdrop, and leave the rest unchanged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.imaging.cutting.hints import apply_hints, hinted_alpha, without_dropped
from tests.unit.imaging.photos import product_photo

Mask = NDArray[np.bool_]
HEIGHT, WIDTH = 240, 320


def region(left: float, top: float, right: float, bottom: float) -> Region:
    return Region(left=left, top=top, right=right, bottom=bottom)


def keep(left: float, top: float, right: float, bottom: float) -> Hint:
    return Hint(region=region(left, top, right, bottom), kind=HintKind.KEEP)


def drop(left: float, top: float, right: float, bottom: float) -> Hint:
    return Hint(region=region(left, top, right, bottom), kind=HintKind.DROP)


def overlap(mask: Mask, other: Mask) -> float:
    return float(np.count_nonzero(mask & other) / np.count_nonzero(mask | other))


def left_half(mask: Mask) -> Mask:
    half = mask.copy()
    half[:, WIDTH // 2 :] = False
    return half


def test_a_dropped_region_is_empty_and_the_rest_is_as_it_was() -> None:
    photo, product = product_photo()
    mask, findings = apply_hints(product, photo, [drop(0.5, 0.0, 1.0, 0.5)])
    expected = product.copy()
    expected[:120, 160:] = False
    assert np.array_equal(mask, expected)
    assert findings == ()


def test_a_second_product_that_was_lost_is_kept_along_its_own_edges() -> None:
    photo, product = product_photo(shape="pair")
    mask, findings = apply_hints(left_half(product), photo, [keep(0.52, 0.1, 0.95, 0.9)])
    assert overlap(mask, product) > 0.97
    assert findings == ()


def test_a_product_that_was_not_found_at_all_is_kept() -> None:
    photo, product = product_photo(shape="ellipse", shadow=False)
    mask, _ = apply_hints(np.zeros_like(product), photo, [keep(0.1, 0.05, 0.9, 0.95)])
    assert overlap(mask, product) > 0.97


def test_on_a_patterned_backdrop_too() -> None:
    photo, product = product_photo(shape="pair", shadow=False)
    checks = (np.indices((HEIGHT, WIDTH)).sum(axis=0) // 12 % 2).astype(np.uint8) * 90 + 90
    photo = np.where(product[:, :, None], photo, checks[:, :, None]).astype(np.uint8)
    mask, _ = apply_hints(left_half(product), photo, [keep(0.52, 0.1, 0.95, 0.9)])
    assert overlap(mask, product) > 0.95


def test_a_label_in_the_backdrops_colour_is_kept_as_it_is_enclosed() -> None:
    """White on white: its colour matches the backdrop, so only the user's hint identifies it."""
    photo, product = product_photo()
    label = np.zeros_like(product)
    label[100:140, 120:200] = True
    photo = np.where(label[:, :, None], np.uint8(214), photo).astype(np.uint8)
    mask, findings = apply_hints(product & ~label, photo, [keep(0.35, 0.4, 0.65, 0.6)])
    assert overlap(mask, product) > 0.99
    assert findings == ()


def test_only_the_region_changes() -> None:
    photo, product = product_photo(shape="pair")
    part = (slice(24, 216), slice(192, 304))
    mask, _ = apply_hints(left_half(product), photo, [keep(0.6, 0.1, 0.95, 0.9)])
    outside = np.ones_like(mask)
    outside[part] = False
    assert np.array_equal(mask[outside], left_half(product)[outside])


def test_a_region_without_anything_in_it_is_reported() -> None:
    photo, product = product_photo(shadow=False)
    mask, findings = apply_hints(product, photo, [keep(0.02, 0.02, 0.2, 0.15)])
    assert overlap(mask, product) > 0.99
    assert [(each.code, each.region) for each in findings] == [("hint_without_effect", region(0.02, 0.02, 0.2, 0.15))]


@pytest.mark.parametrize("later_drops", [True, False])
def test_the_later_hint_wins_where_two_overlap(later_drops: bool) -> None:
    photo, product = product_photo(shape="pair")
    hints = [keep(0.5, 0.0, 1.0, 1.0), drop(0.5, 0.0, 1.0, 1.0)]
    mask, _ = apply_hints(product, photo, hints if later_drops else hints[::-1])
    assert mask[:, 160:].any() != later_drops
    assert np.array_equal(mask[:, :160], product[:, :160])


def test_the_same_hints_give_the_same_mask() -> None:
    photo, product = product_photo(shape="pair", seed=3)
    hints = [keep(0.5, 0.05, 0.97, 0.95), drop(0.0, 0.0, 0.1, 0.1)]
    first, _ = apply_hints(left_half(product), photo, hints)
    again, _ = apply_hints(left_half(product), photo, hints)
    assert np.array_equal(first, again)


def test_the_whole_photo_and_the_smallest_region_can_be_named() -> None:
    photo, product = product_photo(size=(64, 48))
    everything, _ = apply_hints(product, photo, [keep(0.0, 0.0, 1.0, 1.0)])
    assert everything.all()
    corner, _ = apply_hints(np.ones_like(product), photo, [drop(0.999, 0.999, 1.0, 1.0)])
    assert np.argwhere(~corner).tolist() == [[47, 63]]


def test_an_alpha_of_full_size_changes_in_the_regions_alone() -> None:
    photo, product = product_photo(size=(1280, 960), shape="pair", shadow=False)
    soft = np.asarray(cv2.GaussianBlur(product.astype(np.uint8) * 255, (0, 0), 1.0), np.uint8)
    given = soft.copy()
    given[:, 640:] = 0

    alpha, findings = hinted_alpha(given, photo, [keep(0.52, 0.1, 0.95, 0.9), drop(0.0, 0.0, 0.5, 0.4)])

    assert findings == ()
    assert not alpha[:384, :640].any()
    assert np.array_equal(alpha[384:, :600], given[384:, :600])
    assert overlap(alpha[:, 640:] >= 128, product[:, 640:]) > 0.98


def test_without_hints_nothing_changes() -> None:
    photo, product = product_photo()
    alpha = product.astype(np.uint8) * 200
    assert hinted_alpha(alpha, photo, ())[0] is alpha
    assert without_dropped(alpha, ()) is alpha
