from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from generator_service.imaging.cutting.fusion import overlap
from generator_service.imaging.cutting.network import SHA256, WEIGHTS, Network, WeightsError, _verified, own_network
from tests.unit.imaging.photos import product_photo


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 480), (360, 480)), ((480, 640), (480, 360)), ((64, 64), (480, 480)), ((2000, 10), (2, 480))],
)
def test_the_alpha_has_the_photos_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    width, height = size
    alpha = own_network()(np.full((height, width, 3), 200, np.uint8))
    assert alpha.shape == expected
    assert alpha.dtype == np.float32
    assert 0.0 <= float(alpha.min()) <= float(alpha.max()) <= 1.0


@pytest.mark.parametrize("shape", ["box", "ellipse", "pair"])
def test_an_ordinary_product_is_found(shape: str) -> None:
    photo, truth = product_photo(size=(640, 480), shape=shape)
    assert overlap(truth, own_network()(photo) > 0.5) > 0.9


def test_a_white_box_on_white_is_found() -> None:
    photo = np.full((480, 640, 3), 250, np.uint8)
    cv2.rectangle(photo, (180, 120), (460, 380), (238, 238, 240), -1)
    truth = np.zeros((480, 640), np.bool_)
    truth[120:381, 180:461] = True
    assert overlap(truth, own_network()(photo) > 0.5) > 0.9


def test_channels_are_not_swapped() -> None:
    photo, _ = product_photo(backdrop=(120, 60, 200), product=(200, 90, 40))
    assert not np.array_equal(own_network()(photo), own_network()(np.ascontiguousarray(photo[:, :, ::-1])))


def test_the_same_photo_gives_the_same_alpha_and_one_network_serves_a_process() -> None:
    photo, _ = product_photo()
    first = own_network()(photo)
    own_network()(photo[::-1])
    assert np.array_equal(first, own_network()(photo))
    assert own_network() is own_network()


def test_altered_weights_are_rejected(tmp_path: Path) -> None:
    altered = tmp_path / "cutout.onnx"
    data = bytearray(WEIGHTS.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    with pytest.raises(WeightsError, match=r"SHA-256 .* reinstall whitebg"):
        _verified(altered, SHA256)


def test_missing_weights_are_reported_with_their_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.onnx.*reinstall whitebg"):
        _verified(tmp_path / "nowhere.onnx", SHA256)


def test_the_loaded_network_answers_as_the_shared_one() -> None:
    photo, _ = product_photo(shape="ring")
    assert np.array_equal(Network(WEIGHTS.read_bytes())(photo), own_network()(photo))
