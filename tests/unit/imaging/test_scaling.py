from __future__ import annotations

import cv2
import numpy as np
import pytest

from generator_service.imaging.scaling import halved, scaled_down


def noisy(height: int, width: int, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(5)
    slope = np.linspace(0, 200, width)[None, :, None] + rng.normal(0, 12, (height, width, channels))
    return np.clip(slope, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1600, 1200), (1599, 1200), (1202, 1598), (300, 400)])
@pytest.mark.parametrize("wanted", [(48, 36), (199, 150)])
def test_a_copy_is_the_average_to_within_rounding(height: int, width: int, wanted: tuple[int, int]) -> None:
    picture = noisy(height, width)
    small = scaled_down(picture, *wanted)
    direct = cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA)
    assert small.shape == (wanted[1], wanted[0], 3)
    apart = cv2.absdiff(small, direct)
    assert apart.mean() < 0.6
    assert apart.max() <= 8


def test_a_picture_less_than_six_times_as_large_is_averaged_directly() -> None:
    picture = noisy(400, 598)
    assert np.array_equal(scaled_down(picture, 100, 67), cv2.resize(picture, (100, 67), interpolation=cv2.INTER_AREA))


def test_a_grey_picture_stays_grey() -> None:
    assert scaled_down(noisy(640, 640, 1)[:, :, 0], 40, 40).shape == (40, 40)


def test_the_half_of_an_odd_side_is_rounded_up() -> None:
    assert halved(noisy(7, 10)).shape == (4, 5, 3)
