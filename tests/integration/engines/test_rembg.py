"""The rembg engine: the real rembg and ONNX Runtime, with a model of a few operations in place of a trained one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine, OutputFormat
from generator_service.engines.jobs import JobPool
from generator_service.engines.rembg import FREE_MODELS, RembgEngine, RembgSettings, RembgUnusable
from tests.support.photos import product_photo

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the loop of the shared pool

SPEC = PictureSpec(size_px=300, fill=0.85, format=OutputFormat.JPEG)


def ignore(_percent: int, _stage: str) -> None:
    pass


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in the form of u2netp's: the darker a pixel, the more it is product."""
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, 320, 320])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, 320, 320])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    steep = helper.make_tensor("steep", TensorProto.FLOAT, [1], [-20.0])
    nodes = [
        helper.make_node("ReduceMean", ["photo", "axes"], ["light"], keepdims=1),
        helper.make_node("Mul", ["light", "steep"], ["dark"]),
        helper.make_node("Sigmoid", ["dark"], ["mask"]),
    ]
    graph = helper.make_graph(nodes, "darkness", [photo], [mask], [axes, steep])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    file = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    onnx.save(model, file)
    return file


async def test_the_model_cuts_and_the_renderer_does_the_rest(job_pool: JobPool, weights: Path) -> None:
    engine = RembgEngine(RembgSettings(model="u2netp", weights=weights), job_pool)
    picture = await engine.generate(product_photo(), SPEC, ignore)
    assert (picture.engine, picture.confidence, picture.width) == (Engine.REMBG, None, 300)
    assert picture.report.passed
    assert picture.fill == pytest.approx(0.85, abs=0.015)
    with Image.open(io.BytesIO(picture.data)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert (pixels[:15] == 255).all()
    red = pixels[60, 150]
    assert red[0] > 150 > 80 > red[1]


async def test_a_files_own_alpha_needs_no_model(job_pool: JobPool, tmp_path: Path) -> None:
    rgba = Image.open(io.BytesIO(product_photo())).convert("RGBA")
    rgba.putalpha(Image.new("L", rgba.size, 0))
    rgba.paste((200, 30, 30, 255), (100, 80, 300, 220))
    file = io.BytesIO()
    rgba.save(file, "PNG")
    unused = tmp_path / "unused.onnx"
    unused.write_bytes(b"never read")
    engine = RembgEngine(RembgSettings(model="u2netp", weights=unused), job_pool)
    assert (await engine.generate(file.getvalue(), SPEC, ignore)).report.passed


async def test_weights_that_are_not_there_are_said_with_what_to_do(
    job_pool: JobPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RembgUnusable, match="WHITEBG_REMBG_WEIGHTS to the ONNX file of u2net"):
        RembgEngine(RembgSettings(model="u2net", weights=tmp_path / "gone.onnx"), job_pool)
    with pytest.raises(EngineError, match=r"rembg.new_session\('birefnet-general'\)") as caught:
        await RembgEngine(RembgSettings(model="birefnet-general"), job_pool).generate(product_photo(), SPEC, ignore)
    assert (caught.value.code, caught.value.retryable) == ("weights_missing", False)


async def test_a_file_that_is_no_model_is_said(job_pool: JobPool, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineError, match="can't be loaded as u2net") as caught:
        await RembgEngine(RembgSettings(model="u2net", weights=broken), job_pool).generate(
            product_photo(), SPEC, ignore
        )
    assert (caught.value.code, caught.value.retryable) == ("weights_unusable", False)


async def test_a_model_that_is_not_free_is_refused(job_pool: JobPool) -> None:
    with pytest.raises(RembgUnusable, match="licence") as caught:
        RembgEngine(RembgSettings(model="bria-rmbg"), job_pool)
    assert all(model in str(caught.value) for model in FREE_MODELS)


async def test_without_the_extra_it_is_said_how_to_get_it(job_pool: JobPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(RembgUnusable, match=r"pip install 'whitebg\[rembg\]'"):
        RembgEngine(RembgSettings(model="u2net"), job_pool)
