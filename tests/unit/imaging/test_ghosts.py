"""Faint smudges far from the product are removed; parts of the product stay."""

from __future__ import annotations

import numpy as np

from generator_service.imaging.cutting.ghosts import without_ghosts


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
