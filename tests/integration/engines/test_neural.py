"""The neural engine in its own processes: real ONNX Runtime, with networks of a few operations."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.job_pool import JobPool
from generator_service.engines.local import LocalEngine
from generator_service.engines.neural.engine import NeuralEngine
from generator_service.engines.neural.models import ModelUnusable
from generator_service.engines.neural.settings import NeuralSettings
from generator_service.engines.pool.pool import PoolSettings
from tests.support.networks import write_network
from tests.support.photos import product_photo

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the loop of the shared pool

SPEC = PictureSpec(size_px=300, fill=0.85, format=OutputFormat.JPEG)
Start = Callable[..., Awaitable[NeuralEngine]]


def ignore(_percent: int, _stage: str) -> None:
    pass


@pytest_asyncio.fixture(loop_scope="module")
async def start(job_pool: JobPool) -> AsyncIterator[Start]:
    """Start an engine with test weights; they are not the model's, so they have to be allowed."""
    started: list[NeuralEngine] = []

    async def start_engine(
        weights: Path, *, allow: bool = True, memory_bytes: int | None = None, local: LocalEngine | None = None
    ) -> NeuralEngine:
        settings = NeuralSettings(model="u2netp", weights=weights, allow_unverified=allow, processes=1)
        engine = NeuralEngine(settings, PoolSettings(memory_bytes=memory_bytes), local or LocalEngine(job_pool))
        started.append(engine)
        await engine.start()
        return engine

    yield start_engine
    for engine in started:
        await engine.close()


async def test_the_network_finds_the_product_and_unknown_weights_are_flagged(start: Start, tmp_path: Path) -> None:
    engine = await start(write_network(tmp_path / "tiny.onnx", second_output=True))
    picture = await engine.generate(product_photo(), SPEC, ignore)
    assert (picture.engine, picture.width) == (Engine.NEURAL, 300)
    assert picture.report.passed
    assert picture.fill == pytest.approx(0.85, abs=0.015)
    assert "not known by their checksum" in picture.findings[0].message
    with Image.open(io.BytesIO(picture.data)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert (pixels[:15] == 255).all()
    red = pixels[60, 150]
    assert red[0] > 150 > 80 > red[1]


async def test_a_files_own_alpha_needs_no_network(start: Start, tmp_path: Path) -> None:
    rgba = Image.open(io.BytesIO(product_photo())).convert("RGBA")
    rgba.putalpha(Image.new("L", rgba.size, 0))
    rgba.paste((200, 30, 30, 255), (100, 80, 300, 220))
    file = io.BytesIO()
    rgba.save(file, "PNG")
    engine = await start(write_network(tmp_path / "tiny.onnx"))
    picture = await engine.generate(file.getvalue(), SPEC, ignore)
    assert picture.report.passed
    assert picture.confidence == 1.0


@pytest.mark.parametrize("content", [b"not a network", None])
async def test_weights_that_are_broken_or_not_the_models_fall_back_to_the_local_engine(
    start: Start, tmp_path: Path, content: bytes | None
) -> None:
    weights = tmp_path / "weights.onnx"
    if content is None:
        write_network(weights)  # A network, but not the specified one, and unknown ones are not allowed.
    else:
        weights.write_bytes(content)
    engine = await start(weights, allow=content is not None)
    percents: list[int] = []
    picture = await engine.generate(product_photo(), SPEC, lambda percent, _stage: percents.append(percent))
    assert picture.engine is Engine.LOCAL
    assert picture.report.passed
    assert "Made by the local engine, because the network could not be used" in picture.findings[0].message
    assert "whitebg models install u2netp" in picture.findings[0].message
    assert percents == sorted(percents)


async def test_a_network_that_needs_more_memory_than_there_is_falls_back(start: Start, tmp_path: Path) -> None:
    greedy = write_network(tmp_path / "greedy.onnx", memory_mib=6 * 1024)
    engine = await start(greedy, memory_bytes=1536 * 2**20)
    for _ in range(2):  # The process survives, or is replaced.
        picture = await engine.generate(product_photo(), SPEC, ignore)
        assert picture.engine is Engine.LOCAL
        assert "memory" in picture.findings[0].message


async def test_processes_that_do_not_start_leave_the_work_to_the_local_engine(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator_service.engines.neural.engine._RUNNER", "generator_service.no_such_module")
    engine = await start(write_network(tmp_path / "tiny.onnx"))
    picture = await engine.generate(product_photo(), SPEC, ignore)
    assert picture.engine is Engine.LOCAL
    assert "could not be used" in picture.findings[0].message


async def test_a_photo_without_a_product_is_rejected_by_both(start: Start, tmp_path: Path) -> None:
    blank = io.BytesIO()
    Image.new("RGB", (200, 160), "white").save(blank, "PNG")
    engine = await start(write_network(tmp_path / "tiny.onnx"))
    with pytest.raises(EngineError) as caught:
        await engine.generate(blank.getvalue(), SPEC, ignore)
    assert (caught.value.code, caught.value.retryable) == ("image_no_product", False)


async def test_missing_weights_and_a_missing_runtime_are_reported_at_start(
    job_pool: JobPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = NeuralSettings(model="u2net", weights=tmp_path / "gone.onnx")
    with pytest.raises(ModelUnusable, match="whitebg models install u2net"):
        NeuralEngine(settings, PoolSettings(), LocalEngine(job_pool))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModelUnusable, match=r"pip install 'whitebg\[neural\]'"):
        NeuralEngine(settings, PoolSettings(), LocalEngine(job_pool))


@pytest.mark.parametrize("name", ["bria-rmbg", "../secret"])
async def test_a_model_without_a_known_free_licence_is_rejected(job_pool: JobPool, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelUnusable, match="commercial use") as caught:
        NeuralEngine(NeuralSettings(model=name, weights=tmp_path), PoolSettings(), LocalEngine(job_pool))
    assert "isnet-general-use" in str(caught.value)
