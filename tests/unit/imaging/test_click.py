"""A click selects the part of the photo under it, up to its edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.click import region_at
from tests.unit.imaging.photos import product_photo

Mask = NDArray[np.bool_]


def overlap(mask: Mask, other: Mask) -> float:
    return float(np.count_nonzero(mask & other) / np.count_nonzero(mask | other))


def test_one_of_two_products_is_selected() -> None:
    photo, product = product_photo(shape="pair", shadow=False)
    right = product.copy()
    right[:, :160] = False
    assert overlap(region_at(photo, 0.7, 0.5), right) > 0.93


def test_a_label_is_selected_without_the_box_around_it() -> None:
    photo, product = product_photo(shadow=False)
    label = np.zeros_like(product)
    label[95:145, 120:200] = True
    photo = np.where(label[:, :, None], np.array((60, 110, 60), np.uint8), photo).astype(np.uint8)
    assert overlap(region_at(photo, 0.5, 0.5), label) > 0.93
    assert overlap(region_at(photo, 0.33, 0.5), product & ~label) > 0.9


def test_a_click_on_the_backdrop_selects_no_product() -> None:
    photo, product = product_photo(shape="ellipse", shadow=False)
    selected = region_at(photo, 0.05, 0.05)
    assert not (selected & product)[product].mean() > 0.02
    assert selected[~product].mean() > 0.9


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0)])
def test_every_point_selects_something_that_holds_it(corner: tuple[float, float]) -> None:
    photo, _ = product_photo(size=(64, 48))
    row, column = min(47, int(corner[1] * 48)), min(63, int(corner[0] * 64))
    assert region_at(photo, *corner)[row, column]


@pytest.mark.parametrize("point", [(-0.01, 0.5), (0.5, 1.01), (float("nan"), 0.5)])
def test_a_point_outside_is_rejected(point: tuple[float, float]) -> None:
    photo, _ = product_photo(size=(64, 48))
    with pytest.raises(ValueError, match="outside the picture"):
        region_at(photo, *point)
