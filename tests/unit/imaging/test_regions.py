"""Regions of the photo from masks."""

from __future__ import annotations

import numpy as np
import pytest

from generator_service.domain.finding import Region
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.render import render
from tests.unit.imaging.photos import encoded, product_photo, silent, spec


def test_region_surrounds_the_marked_pixels_by_a_margin_within_the_photo() -> None:
    mask = np.zeros((100, 200), np.bool_)
    mask[50:75, 100:] = True
    assert region_of(mask) == Region(left=0.48, top=0.48, right=1.0, bottom=0.77)
    assert region_of(np.zeros((4, 4), np.bool_)) is None


def test_finding_about_the_frame_names_the_side_that_the_product_touches() -> None:
    photo, product = product_photo()
    made = render(encoded(photo[:, 110:]), spec(), silent)
    (region,) = [finding.region for finding in made.findings if finding.code == "product_touches_frame"]
    assert region is not None
    rows = np.flatnonzero(product.any(axis=1)) / product.shape[0]
    assert region.left < 0.01
    assert region.right < 0.1
    assert [region.top, region.bottom] == pytest.approx([rows[0], rows[-1]], abs=0.05)
