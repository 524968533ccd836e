from __future__ import annotations

import warnings

import numpy as np
import pytest

from generator_service.imaging.cutting.border import model_backdrop


@pytest.mark.parametrize("shape", [(2, 480), (480, 2), (1, 480), (4, 480)])
def test_a_thin_photo_is_modelled_without_numerical_warnings(shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backdrop = model_backdrop(photo)
    assert np.isfinite(backdrop.distance).all()
