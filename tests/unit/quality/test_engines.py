"""The engines that the quality report measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator_service.imaging.source.decode import decode
from tests.support.networks import write_network
from tests.unit.imaging.photos import encoded, product_photo
from tools.quality.engines import AUTO, LOCAL, NAMES, NEURAL, Engine
from tools.quality.scores import compare


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_cuts_a_dark_product_out(name: str, tmp_path: Path) -> None:
    pixels, truth = product_photo(product=(20, 10, 12), shadow=False)
    engine = Engine(name=name, model="u2netp", weights=write_network(tmp_path / "u2netp.onnx"))
    outline, alpha = engine.load()(decode(encoded(pixels)))
    iou, _ = compare(alpha, truth.astype("uint8") * 255)
    assert iou > 0.9
    assert 0.0 <= outline.confidence <= 1.0


@pytest.mark.parametrize("name", [NEURAL, AUTO])
def test_networks_need_weights(name: str) -> None:
    with pytest.raises(ValueError, match="needs weights"):
        Engine(name=name, model="u2netp").load()
    Engine(name=LOCAL).load()
