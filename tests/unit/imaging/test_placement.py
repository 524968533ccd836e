"""Points of the photo are mapped to the result."""

from __future__ import annotations

import numpy as np
import pytest

from generator_service.domain.finding import Region
from generator_service.domain.placement import Placement
from generator_service.imaging.render import render
from tests.unit.imaging.photos import decoded, encoded, product_photo, silent, spec

MARK = (20, 60, 200)


def test_region_maps_to_a_box_of_the_result() -> None:
    placement = Placement(scale=2.0, x=-10.0, y=30.0, photo_width=200, photo_height=100)
    assert placement.box(Region(left=0.25, top=0.5, right=0.75, bottom=1.0)) == (90.0, 130.0, 290.0, 230.0)


@pytest.mark.parametrize(("size_px", "fill"), [(None, 0.85), (640, 0.85), (300, 0.5), (120, 0.95)])
@pytest.mark.parametrize("size", [(320, 240), (240, 330)])
def test_point_of_the_photo_is_where_the_placement_says(
    size: tuple[int, int], size_px: int | None, fill: float
) -> None:
    photo, product = product_photo(size=size, shadow=False)
    rows, columns = np.nonzero(product)
    # A mark in a corner of the product: neither in its middle nor symmetrical.
    left, top = int(columns.min()) + 6, int(rows.min()) + 4
    photo[top : top + 24, left : left + 32] = MARK
    made = render(encoded(photo), spec(size_px=size_px, fill=fill), silent)
    assert made.placement is not None
    assert (made.placement.photo_width, made.placement.photo_height) == size

    distance = np.abs(decoded(made.data)[:, :, :3].astype(int) - MARK).max(axis=2)
    rows, columns = np.nonzero(distance < 60)
    middle = (float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)
    assert made.placement.point(left + 16, top + 12) == pytest.approx(middle, abs=1.0)


def test_generated_picture_has_no_placement() -> None:
    photo = encoded(product_photo()[0])
    assert render(photo, spec(), silent, original=photo).placement is None
