from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from generator_service.imaging.barrier import barrier_distance, reachable
from generator_service.imaging.box import bounding_box
from generator_service.imaging.cutting.border import PLAIN_DELTA_E, lab, model_backdrop, shadow_tolerant_distance
from generator_service.imaging.cutting.foreground import foreground
from generator_service.imaging.cutting.matte import guided_filter, matte
from generator_service.imaging.output.compose import compose, visible_box
from generator_service.imaging.tiles import tiles
from tests.unit.imaging.photos import WHITE, product_photo


def test_a_stripe_inside_a_product_is_as_far_as_the_product_around_it() -> None:
    distance = np.zeros((9, 9), np.float32)
    distance[2:7, 2:7] = 10
    distance[4, 4] = 0
    barrier = barrier_distance(distance, np.arange(1, 20, dtype=np.float32))
    assert barrier[4, 4] == 10
    assert barrier[0, 0] == 1


def test_past_the_last_level_nothing_is_reached() -> None:
    distance = np.zeros((9, 9), np.float32)
    distance[3:6, 3:6] = 50
    assert np.isinf(barrier_distance(distance, np.array([1, 2], np.float32))[4, 4])


def test_a_way_out_must_lead_along_sides() -> None:
    passable = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], np.bool_)
    assert reachable(passable).tolist()[2] == [False, False, True, True]
    assert not reachable(passable)[1, 1]


def test_a_gradient_with_a_product_across_the_frame_is_still_plain() -> None:
    photo, _ = product_photo(shadow=False)
    photo[150:, 100:200] = (20, 20, 60)
    backdrop = model_backdrop(photo)
    assert backdrop.plain
    assert np.median(backdrop.distance[:40]) < PLAIN_DELTA_E / 2
    assert backdrop.distance[200, 150] > 20


def test_a_shadow_counts_less_than_a_stain_of_the_same_size() -> None:
    clean = np.full((1, 1, 3), (200, 180, 160), np.uint8)
    shadow = (clean * 0.8).astype(np.uint8)
    stain = np.full((1, 1, 3), (200, 150, 160), np.uint8)
    reference = lab(clean)
    dimmed, stained = (shadow_tolerant_distance(lab(pixel), reference)[0, 0] for pixel in (shadow, stain))
    assert dimmed < 0.6 * np.linalg.norm(lab(shadow) - reference)
    assert stained > dimmed


def test_the_guided_filter_reproduces_a_mask_that_is_linear_in_the_guide() -> None:
    guide = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    source = (0.3 * guide[:, :, 0] + 0.2 * guide[:, :, 2] + 0.1).astype(np.float32)
    assert np.abs(guided_filter(guide, source) - source).max() < 0.02


def test_a_flat_guide_smooths_and_never_blows_up() -> None:
    guide = np.full((40, 40, 3), 0.7, np.float32)
    source = np.zeros((40, 40), np.float32)
    source[:, 20:] = 1
    filtered = guided_filter(guide, source)
    assert np.isfinite(filtered).all()
    assert -0.01 <= filtered.min() <= filtered.max() <= 1.01


def test_a_coarse_mask_snaps_to_the_photos_edge() -> None:
    photo = np.full((400, 400, 3), 230, np.uint8)
    photo[103:297, 101:303] = (40, 60, 90)
    coarse = np.zeros((100, 100), np.bool_)
    coarse[26:74, 25:76] = True
    alpha = matte(photo, coarse)
    assert alpha[110:290, 110:290].min() == 255
    assert alpha[:96].max() == 0
    box = bounding_box(alpha > 127)
    assert box is not None
    assert max(abs(box.left - 101), abs(box.top - 103), abs(box.right - 303), abs(box.bottom - 297)) <= 2


def test_edge_colours_lose_the_backdrop() -> None:
    red, green = np.array((200.0, 20, 20)), np.array((20.0, 220, 20))
    alpha = np.clip((np.arange(100) - 45) / 10.0, 0, 1)
    row = alpha[:, None] * red + (1 - alpha[:, None]) * green
    photo = np.repeat(row[None], 60, axis=0).astype(np.uint8)
    mask = np.repeat((alpha * 255).astype(np.uint8)[None], 60, axis=0)
    colours = foreground(photo, mask)
    half = colours[30, 50].astype(float)
    assert np.abs(half - red).max() < 30
    assert (colours[:, 60:] == photo[:, 60:]).all()


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 20))
def test_tiles_cover_all_that_is_busy_once(height: int, width: int, margin: int) -> None:
    busy = np.random.default_rng(height * width).random((height, width)) > 0.5
    written = np.zeros((height, width), np.int32)
    for tile in tiles(busy, margin):
        outer = busy[tile.outer]
        assert (outer[tile.core] == busy[tile.inner]).all()
        written[tile.inner] += 1
    assert written.max(initial=0) <= 1
    assert not (busy & (written == 0)).any()


@given(
    st.integers(5, 300),
    st.integers(5, 300),
    st.one_of(st.none(), st.integers(100, 600)),
    st.floats(0.3, 1.0),
)
def test_the_canvas_is_filled_as_asked(width: int, height: int, size_px: int | None, fill: float) -> None:
    product = np.full((height, width, 3), (10, 120, 200), np.uint8)
    canvas = compose(product, np.full((height, width), 255, np.uint8), size_px=size_px, fill=fill, background=WHITE)
    side = canvas.pixels.shape[0]
    assert side == (size_px or math.ceil(max(width, height) / fill))
    shown = visible_box(canvas.pixels, WHITE)
    assert shown is not None
    assert abs(shown.longest - fill * side) <= 1.5 + 0.002 * side
    assert abs((shown.left + shown.right) - side) <= 1
    assert abs((shown.top + shown.bottom) - side) <= 1


def test_a_product_of_the_backgrounds_colour_is_not_lost() -> None:
    solid = np.full((50, 80), 255, np.uint8)
    canvas = compose(np.full((50, 80, 3), 255, np.uint8), solid, size_px=200, fill=0.85, background=WHITE)
    assert (canvas.pixels == 255).all()
    assert canvas.fill == 0.85
