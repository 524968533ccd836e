"""Faint smudges far from the product are removed; parts of the product stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.ghosts import without_faint_pieces, without_ghosts


def scene() -> np.ndarray:
    alpha = np.zeros((200, 300), np.float32)
    alpha[80:120, 100:180] = 1.0
    return alpha


def test_a_clean_alpha_is_unchanged() -> None:
    assert np.array_equal(without_ghosts(scene()), scene())


def test_a_faint_island_is_cleared() -> None:
    alpha = scene()
    alpha[10:40, 220:280] = 0.4
    assert np.array_equal(without_ghosts(alpha), scene())


def test_a_faint_streak_is_cleared_except_beside_the_product() -> None:
    alpha = scene()
    alpha[95:105, 180:300] = 0.2
    kept = without_ghosts(alpha)
    assert kept[100, 185] == np.float32(0.2), "a soft edge"
    assert kept[100, 250] == 0.0


def test_a_second_item_a_glass_bowl_and_hair_stay() -> None:
    alpha = scene()
    alpha[150:160, 20:30] = 0.9  # A small second item.
    alpha[40:80, 110:170] = 0.4  # Glass on the body: half transparent, but not faint.
    alpha[120:126, 100:180:4] = 0.1  # Hair.
    assert np.array_equal(without_ghosts(alpha), alpha)


def test_nothing_solid_is_no_product() -> None:
    assert without_ghosts(np.full((20, 20), 0.3, np.float32)).max() == 0.0


def levels(shape: tuple[int, int] = (200, 300)) -> NDArray[np.uint8]:
    alpha = np.zeros(shape, np.uint8)
    alpha[shape[0] // 3 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = 255
    return alpha


@pytest.mark.parametrize("shape", [(200, 300), (2001, 3000), (1600, 2400)])
def test_a_piece_that_is_solid_nowhere_is_cleared_to_its_last_pixel(shape: tuple[int, int]) -> None:
    alpha = levels(shape)
    alpha[shape[0] * 3 // 4 : shape[0] * 3 // 4 + 17, 41:113] = 72
    alpha[shape[0] - 1, shape[1] - 1] = 20
    assert np.array_equal(without_faint_pieces(alpha), levels(shape))


def test_a_soft_edge_a_thin_wire_and_a_second_item_stay() -> None:
    alpha = levels((2000, 3000))
    alpha[900:1100, 1500:1600] = 60
    alpha[1800, 100:2900] = 140
    alpha[100:110, 100:110] = 255
    assert np.array_equal(without_faint_pieces(alpha), alpha)


def test_an_alpha_without_anything_solid_is_unchanged() -> None:
    assert np.array_equal(without_faint_pieces(levels() // 3), levels() // 3)
