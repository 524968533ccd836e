"""Which pieces of a fused mask are removed as crumbs or as objects at the frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.pieces import without_strays

SIDE = 200
Mask = NDArray[np.bool_]


def box(left: int, top: int, width: int, height: int) -> Mask:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


PRODUCT = box(50, 50, 100, 100)


@pytest.mark.parametrize(
    ("piece", "seen", "kept"),
    [
        (box(20, 20, 5, 5), 0.0, False),
        (box(20, 20, 5, 5), 0.8, True),
        (box(20, 50, 5, 60), 0.0, True),
        (box(180, 0, 10, 12), 0.9, False),
        (box(180, 0, 20, 60), 0.9, True),
    ],
    ids=["crumb", "small item", "item that the network overlooks", "object in a corner", "product that is cut off"],
)
def test_pieces_beside_a_whole_product(piece: Mask, seen: float, kept: bool) -> None:
    expected = np.where(piece, np.float32(seen), PRODUCT.astype(np.float32))
    assert np.array_equal(without_strays(PRODUCT | piece, expected), PRODUCT | piece if kept else PRODUCT)


def test_a_chain_in_fragments_that_the_network_overlooks_is_no_set_of_crumbs() -> None:
    links = np.zeros((SIDE, SIDE), np.bool_)
    links[20:24, 10:190:8] = links[20:24, 11:190:8] = True
    mask = PRODUCT | links
    assert np.array_equal(without_strays(mask, PRODUCT.astype(np.float32)), mask)


def test_pieces_at_the_frame_stay_beside_a_product_that_is_cut_off_too() -> None:
    mask = box(50, 50, 100, 150) | box(180, 190, 12, 10)
    assert np.array_equal(without_strays(mask, mask.astype(np.float32)), mask)


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((SIDE, SIDE), np.bool_)
    assert not without_strays(empty, empty.astype(np.float32)).any()
