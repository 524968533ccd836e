"""A network's outline and the local one: which is used, and with what confidence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.choice import choose
from generator_service.imaging.cutting.network import Prior
from generator_service.imaging.source.decode import Photo, decode
from tests.unit.imaging.photos import encoded, product_photo


@pytest.fixture(scope="module")
def scene() -> tuple[Photo, NDArray[np.float32]]:
    photo, product = product_photo(size=(320, 240), shape="ellipse", shadow=False)
    return decode(encoded(photo)), product.astype(np.float32)


def always(alpha: NDArray[np.float32]) -> Prior:
    return lambda _photo: alpha


@pytest.mark.parametrize("compare", [False, True])
def test_a_sharp_network_is_taken_and_agreement_gives_confidence(
    scene: tuple[Photo, NDArray[np.float32]], compare: bool
) -> None:
    photo, product = scene
    choice = choose(photo, always(product), compare=compare)
    assert choice.by_network
    assert choice.outline.confidence > 0.9
    assert choice.outline.coarse is not None
    assert np.array_equal(choice.outline.coarse.mask, product > 0.5)


def test_a_network_that_disagrees_is_not_trusted(scene: tuple[Photo, NDArray[np.float32]]) -> None:
    photo, product = scene
    half = product.copy()
    half[:, :160] = 0.0
    choice = choose(photo, always(half), compare=False)
    assert choice.by_network
    assert choice.outline.confidence < 0.5
    assert choice.outline.findings


def test_a_sharp_network_that_contradicts_a_trusted_outline_gives_way_where_the_two_are_compared(
    scene: tuple[Photo, NDArray[np.float32]],
) -> None:
    photo, product = scene
    half = product.copy()
    half[:, :160] = 0.0
    choice = choose(photo, always(half), compare=True)
    assert not choice.by_network
    assert choice.outline.confidence >= TRUSTED
    assert choose(photo, always(half), compare=False).by_network


def test_what_only_the_network_sees_is_doubted_though_the_masks_agree(
    scene: tuple[Photo, NDArray[np.float32]],
) -> None:
    photo, product = scene
    more = product.copy()
    more[10:30, 10:30] = 1.0
    doubted = choose(photo, always(more), compare=False)
    assert doubted.by_network
    assert doubted.outline.confidence < TRUSTED
    found = {finding.code: finding.region for finding in doubted.outline.findings}
    region = found["several_items"]
    assert region is not None
    assert region.right < 0.2
    compared = choose(photo, always(more), compare=True)
    assert not compared.by_network
    assert compared.outline.confidence >= TRUSTED


def test_where_the_network_finds_nothing_the_local_outline_is_taken(
    scene: tuple[Photo, NDArray[np.float32]],
) -> None:
    photo, product = scene
    choice = choose(photo, always(np.zeros_like(product)), compare=False)
    assert not choice.by_network
    assert choice.outline.coarse is not None


def test_a_photo_without_a_product_is_rejected() -> None:
    photo = decode(encoded(np.full((60, 80, 3), 255, np.uint8)))
    with pytest.raises(ImageRejected, match="neither the network nor the local engine") as caught:
        choose(photo, always(np.zeros((60, 80), np.float32)), compare=True)
    assert caught.value.code == "image_no_product"
