from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator_service.imaging.cutting.border import lab, model_backdrop
from generator_service.imaging.cutting.saliency import saliency
from generator_service.imaging.cutting.segment import second_opinion, segment
from tests.unit.imaging.photos import product_photo


def meadow(height: int = 120, width: int = 160) -> np.ndarray:
    """Grass over sky, both grainy: no single colour on the frame, and each colour on three of its sides."""
    rng = np.random.default_rng(5)
    photo = np.empty((height, width, 3), np.float32)
    photo[: height // 2] = (120, 160, 220)
    photo[height // 2 :] = (70, 120, 40)
    return np.clip(photo + rng.normal(0, 14, photo.shape), 0, 255).astype(np.uint8)


def test_what_differs_from_both_halves_of_a_cluttered_backdrop_stands_out() -> None:
    photo = meadow()
    photo[35:95, 60:105] = (200, 40, 30)
    found = saliency(lab(photo))
    product = found[40:90, 65:100].min()
    assert product > 0.8
    rest = np.ones(found.shape, np.bool_)
    rest[28:102, 53:112] = False
    assert found[rest].max() < 0.75 * product
    assert found[rest].mean() < 0.5 * product


def test_a_cluttered_photo_is_cut_out_along_the_product() -> None:
    photo = meadow(240, 320)
    truth = np.zeros(photo.shape[:2], np.bool_)
    truth[70:190, 120:210] = True
    photo[truth] = (200, 40, 30)
    found = segment(photo)
    assert not found.backdrop.plain
    assert np.count_nonzero(found.mask & truth) / np.count_nonzero(found.mask | truth) > 0.95


def test_the_frame_does_not_vouch_for_what_only_one_side_shows() -> None:
    photo = meadow(240, 320)
    photo[100:, 110:220] = (200, 40, 30)
    found = segment(photo)
    assert not found.backdrop.plain
    assert not found.backdrop.seeds[-1, 150]
    assert found.backdrop.seeds[0].all()
    assert found.mask[-1, 150], "a product that is cut off by the frame reaches it"


def test_a_wire_across_a_plain_frame_is_no_product() -> None:
    photo, truth = product_photo(shape="pair", shadow=False)
    photo[:, 158:160] = (90, 90, 90)
    found = segment(photo)
    assert found.backdrop.plain
    assert np.count_nonzero(found.mask & truth) / np.count_nonzero(found.mask | truth) > 0.95
    assert not found.mask[:40].any()


@pytest.mark.parametrize("shape", ["box", "ellipse", "ring", "pair"])
def test_the_second_opinion_finds_a_clear_product_by_itself(shape: str) -> None:
    photo, truth = product_photo(shape=shape)
    found = second_opinion(photo)
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.9


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3))
def test_any_picture_has_a_map_from_0_to_1(height: int, width: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256 if seed else 1, (height, width, 3)).astype(np.uint8)
    found = saliency(lab(noise))
    assert found.shape == (height, width)
    assert 0.0 <= found.min() <= found.max() <= 1.0


@settings(deadline=None, max_examples=20)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 3))
def test_all_seeds_lie_on_the_frame(height: int, width: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256 if seed else 1, (height, width, 3)).astype(np.uint8)
    backdrop = model_backdrop(noise)
    assert backdrop.seeds.any()
    assert not backdrop.seeds[2:-2, 2:-2].any()
