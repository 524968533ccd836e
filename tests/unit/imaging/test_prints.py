"""Prints in the backdrop's own colour are part of the product: they are not taken for openings to it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from generator_service.domain.presets import resolve
from generator_service.domain.task_options import Content, TaskOptions
from generator_service.imaging.render import render
from tests.unit.imaging.photos import codes

WIDTH, HEIGHT = 1000, 1200
LEFT, TOP, RIGHT, BOTTOM = 330, 200, 670, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """Two letters, printed along both sides."""

    text: str
    size: float
    stroke: int
    left: int
    """Distance, in pixels, of the left letters from the left side."""
    right: int
    """Distance, in pixels, of the right letters' left end from the right side."""
    darker: float
    """By how many levels the ink is darker than the backdrop."""


SOFT = Letters(text="oo", size=1.4, stroke=8, left=8, right=72, darker=3.0)
HARD = Letters(text="HL", size=1.6, stroke=10, left=4, right=69, darker=0.0)


def printed_bottle(backdrop: tuple[int, int, int], body: tuple[int, int, int], letters: Letters = SOFT) -> bytes:
    """Return a JPEG of a dark bottle with its shadow, and letters along its sides in the backdrop's colour."""
    cast = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(cast, (500, 990), (220, 45), 0, 0, 360, 1.0, -1)
    shadow = cv2.GaussianBlur(cast, (0, 0), 22)[..., None]
    photo = (np.full((HEIGHT, WIDTH, 3), backdrop, np.float32) * (1 - 0.45 * shadow)).astype(np.uint8)
    cv2.rectangle(photo, (LEFT, TOP), (RIGHT, BOTTOM), body, -1)
    ink = [channel - letters.darker for channel in backdrop]
    for number in range(10):
        for left in (LEFT + letters.left, RIGHT - letters.right):
            at = (left, TOP + 130 + 60 * number)
            cv2.putText(
                photo, letters.text, at, cv2.FONT_HERSHEY_DUPLEX, letters.size, ink, letters.stroke, cv2.LINE_AA
            )
    noise = np.random.default_rng(7).normal(0, 2, photo.shape)
    grainy = np.clip(cv2.GaussianBlur(photo, (0, 0), 1.0) + noise, 0, 255).astype(np.uint8)
    ok, encoded = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert ok
    return encoded.tobytes()


@pytest.mark.parametrize(
    ("backdrop", "body"),
    [
        pytest.param((250, 250, 250), (34, 30, 30), id="white"),
        pytest.param((228, 225, 225), (120, 60, 20), id="grey"),
        pytest.param((214, 232, 240), (30, 40, 60), id="cream"),
        pytest.param((210, 160, 120), (40, 170, 200), id="blue"),
    ],
)
def test_a_print_up_to_the_outline_is_kept(backdrop: tuple[int, int, int], body: tuple[int, int, int]) -> None:
    made = render(printed_bottle(backdrop, body), resolve(TaskOptions(content=Content.MASK)), lambda *_: None)
    product = np.asarray(Image.open(BytesIO(made.data)).convert("L")) > 127
    _, regions = cv2.connectedComponents((~product).astype(np.uint8), connectivity=4)
    holes = ~product & (regions != regions[0, 0])
    assert np.count_nonzero(holes) < 1e-4 * np.count_nonzero(product)


def test_a_print_of_exactly_the_backdrops_colour_that_lost_letters_is_doubted() -> None:
    photo = printed_bottle((214, 232, 240), (30, 40, 60), HARD)
    made = render(photo, resolve(TaskOptions(content=Content.MASK)), lambda *_: None)
    assert "uncertain_outline" in codes(made.findings)
