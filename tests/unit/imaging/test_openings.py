from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import model_backdrop
from generator_service.imaging.cutting.openings import openings

SIDE = 480
MIDDLE = (SIDE // 2, SIDE // 2)


def photographed(drawn: NDArray[Any]) -> NDArray[np.uint8]:
    light = np.linspace(1.0, 0.92, SIDE)[None, :, None]
    noisy = drawn * light + np.random.default_rng(0).normal(0, 1.0, drawn.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def blue() -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), (70, 120, 230), np.uint8)


def filled_circle(radius: int) -> NDArray[np.bool_]:
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), MIDDLE, radius, 1, -1) > 0


def found(photo: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    surface = model_backdrop(photo).surface
    assert surface is not None
    return openings(mask, photo, surface)


def test_the_inside_of_a_ring_on_a_coloured_backdrop_is_an_opening() -> None:
    photo = photographed(cv2.circle(blue(), MIDDLE, 140, (200, 170, 60), 12))
    opened = found(photo, filled_circle(147))
    inside = filled_circle(131)
    assert np.mean(opened[inside]) > 0.98
    assert not opened[~filled_circle(136)].any()


def test_every_wedge_of_a_wheel_is_an_opening() -> None:
    drawn = blue()
    cv2.circle(drawn, MIDDLE, 140, (30, 30, 30), 12)
    for angle in np.arange(0.0, np.pi, np.pi / 6):
        way = (round(140 * np.cos(angle)), round(140 * np.sin(angle)))
        ends = [(MIDDLE[0] + sign * way[0], MIDDLE[1] + sign * way[1]) for sign in (-1, 1)]
        cv2.line(drawn, ends[0], ends[1], (30, 30, 30), 3)
    opened = found(photographed(drawn), filled_circle(147))
    wedges = filled_circle(130) & (drawn[:, :, 0] > 50)
    assert np.mean(opened[wedges]) > 0.85
    assert not opened[drawn[:, :, 0] == 30].any()


def test_a_disc_of_another_colour_has_no_opening() -> None:
    photo = photographed(cv2.circle(blue(), MIDDLE, 140, (200, 170, 60), -1))
    assert not found(photo, filled_circle(142)).any()


def test_a_label_in_the_backdrops_colour_is_no_opening() -> None:
    drawn = cv2.rectangle(blue(), (160, 60), (320, 420), (40, 40, 40), -1)
    cv2.rectangle(drawn, (170, 180), (310, 300), (70, 120, 230), -1)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[60:421, 160:321] = True
    assert not found(photographed(drawn), mask).any()


def test_a_tinted_face_inside_a_thin_frame_is_no_opening() -> None:
    drawn = cv2.circle(blue(), MIDDLE, 140, (80, 130, 215), -1)
    photo = photographed(cv2.circle(drawn, MIDDLE, 140, (40, 40, 40), 12))
    assert not found(photo, filled_circle(147)).any()


def test_nothing_is_opened_on_an_uneven_backdrop() -> None:
    drawn = blue().astype(np.float32) + np.random.default_rng(1).normal(0, 18, (SIDE, SIDE, 1))
    photo = photographed(cv2.circle(np.clip(drawn, 0, 255).astype(np.uint8), MIDDLE, 140, (200, 170, 60), 12))
    assert not found(photo, filled_circle(147)).any()


def test_grain_of_the_backdrop_inside_a_ring_is_opened_too() -> None:
    drawn = cv2.circle(blue(), MIDDLE, 140, (200, 170, 60), 12)
    grain = [(220, 240), (262, 251), (240, 200), (255, 300)]
    for at in grain:
        cv2.circle(drawn, at, 2, (84, 132, 236), -1)
    opened = found(photographed(drawn), filled_circle(147))
    assert all(opened[row, column] for column, row in grain)


def test_an_item_inside_a_ring_stays() -> None:
    drawn = cv2.circle(blue(), MIDDLE, 140, (200, 170, 60), 12)
    cv2.circle(drawn, MIDDLE, 6, (200, 170, 60), -1)
    opened = found(photographed(drawn), filled_circle(147))
    assert not opened[MIDDLE[1] - 3 : MIDDLE[1] + 4, MIDDLE[0] - 3 : MIDDLE[0] + 4].any()
