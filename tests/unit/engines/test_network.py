"""A network's input and output: scaling, proportions, and what counts as broken."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generator_service.engines.neural.files import sha256_of
from generator_service.engines.neural.models import MODELS, USABLE, ModelUnusable, by_checksum, usable_model
from generator_service.engines.neural.network import Network, alpha_of, is_out_of_memory, prepare
from generator_service.engines.neural.settings import (
    NeuralSettings,
    decode,
    encode,
    process_count,
    process_memory,
)
from tests.support.networks import write_network

SMALL = MODELS["u2netp"]
GIB = 2**30


def test_the_input_is_normalised_by_its_own_maximum() -> None:
    grey = np.full((40, 60, 3), 100, np.uint8)
    grey[:20] = 200
    (planes,) = prepare(grey, SMALL)
    assert planes.shape == (3, 320, 320)
    assert planes.dtype == np.float32
    for plane, mean, deviation in zip(planes, SMALL.mean, SMALL.deviation, strict=True):
        assert plane[0, 0] == pytest.approx((1.0 - mean) / deviation, abs=1e-5)
        assert plane[-1, -1] == pytest.approx((0.5 - mean) / deviation, abs=1e-5)


def test_a_black_photo_does_not_divide_by_zero() -> None:
    assert np.isfinite(prepare(np.zeros((8, 8, 3), np.uint8), SMALL)).all()


@pytest.mark.parametrize(
    ("shape", "expected"), [((1000, 500), (320, 160)), ((100, 300), (100, 300)), ((1, 4000), (1, 320))]
)
def test_the_alpha_has_the_photos_proportions(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    output = np.linspace(0.1, 0.9, 320 * 320, dtype=np.float32).reshape(1, 1, 320, 320)
    alpha = alpha_of(output, SMALL, (*shape, 3))
    assert alpha.shape == expected
    assert alpha.dtype == np.float32
    assert 0.0 <= alpha.min() <= alpha.max() <= 1.0


def test_logits_become_an_alpha_that_is_stretched() -> None:
    output = np.full((1, 1, 320, 320), -1000.0, np.float32)
    output[..., 100:200, 100:200] = 3.0
    alpha = alpha_of(output, MODELS["birefnet-general-lite"], (320, 320, 3))
    assert alpha[150, 150] == 1.0
    assert alpha[0, 0] == 0.0


def test_an_output_in_which_nothing_stands_out_is_no_product() -> None:
    noise = np.random.default_rng(1).uniform(0.0, 0.09, (1, 1, 320, 320)).astype(np.float32)
    assert alpha_of(noise, SMALL, (320, 320, 3)).max() == 0.0


@pytest.mark.parametrize("output", [np.full((1, 1, 8, 8), np.nan), np.zeros((1, 2, 8, 8)), np.zeros((8, 8))])
def test_an_output_that_is_no_mask_is_refused(output: np.ndarray) -> None:
    with pytest.raises(ModelUnusable, match="returned no mask"):
        alpha_of(output, SMALL, (8, 8, 3))


def test_known_weights_are_verified_and_run(tmp_path: Path) -> None:
    file = write_network(tmp_path / "tiny.onnx")
    network = Network.load(replace(SMALL, sha256=sha256_of(file)), file, allow_unverified=False)
    assert network.verified
    photo = np.full((200, 400, 3), 255, np.uint8)
    photo[50:150, 100:300] = 0
    alpha = network(photo)
    assert alpha.shape == (160, 320)
    assert alpha[80, 160] > 0.95
    assert alpha[5, 5] == 0.0


def test_weights_of_another_form_are_refused(tmp_path: Path) -> None:
    file = write_network(tmp_path / "tiny.onnx", side=64)
    with pytest.raises(ModelUnusable, match="3×320×320; name the model that these weights are of"):
        Network.load(SMALL, file, allow_unverified=True)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="can't be read: No such file"):
        Network.load(SMALL, tmp_path / "gone.onnx", allow_unverified=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("[E] Failed to allocate memory for requested buffer of size 5"), True),
        (RuntimeError("Invalid shape"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_the_table_is_consistent() -> None:
    assert next(iter(MODELS)) == "isnet-general-use", "the recommended model comes first"
    assert len({model.sha256 for model in MODELS.values()}) == len(MODELS)
    for name, model in USABLE.items():
        assert model.name == name
        assert len(bytes.fromhex(model.sha256)) == hashlib.sha256().digest_size
        assert model.size_bytes
        assert model.licence in {"Apache-2.0", "MIT"}
        assert model.adds
        assert by_checksum(model.sha256) is model


def test_models_that_may_not_be_used_are_refused_with_those_that_may() -> None:
    with pytest.raises(ModelUnusable, match=r"CC-BY-NC-4\.0.*isnet-general-use"):
        usable_model("bria-rmbg")
    with pytest.raises(ModelUnusable, match="'sam' is not a model whose licence is known"):
        usable_model("sam")


def test_settings_reach_the_process_unchanged(tmp_path: Path) -> None:
    settings = NeuralSettings(model="u2net", weights=tmp_path / "中.onnx", allow_unverified=True)
    assert decode(encode(settings)) == settings


def test_processes_fit_into_memory() -> None:
    isnet = MODELS["isnet-general-use"]
    assert process_count(isnet, None, 8, 64 * GIB) == 8
    assert process_count(isnet, None, 8, 4 * GIB) == 2
    assert process_count(isnet, None, 8, GIB) == 1
    assert process_count(isnet, 3, 8, GIB) == 3, "the setting takes precedence"
    assert process_memory(isnet, 3 * GIB) == 3 * GIB
    assert process_memory(MODELS["birefnet-general"], 3 * GIB) == 13 * GIB
    assert process_memory(isnet, None) is None
