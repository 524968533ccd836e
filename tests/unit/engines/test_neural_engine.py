"""Failures of the neural engine's processes: fall back to another engine, or report the failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.jobs import RenderJob
from generator_service.engines.neural.engine import NeuralEngine
from generator_service.engines.neural.settings import NeuralSettings
from generator_service.engines.pool.pool import PoolSettings

SPEC = PictureSpec(size_px=100, fill=0.85, format=OutputFormat.PNG)
PICTURE = Picture(
    data=b"picture",
    format=OutputFormat.PNG,
    width=100,
    height=100,
    fill=0.85,
    confidence=0.9,
    findings=(),
    report=Report(preset="custom", checks=()),
    placement=None,
    thumbnail=b"thumbnail",
    engine=Engine.LOCAL,
    mask=None,
)


class Local:
    """A local engine that counts its renderings."""

    name = Engine.LOCAL

    def __init__(self) -> None:
        self.made = 0

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        self.made += 1
        report(50, "segmenting")
        return PICTURE

    async def close(self) -> None:
        pass


def failing(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Make every job of a pool fail after 70 %."""

    async def render(_pool: JobPool, _job: RenderJob, report: ProgressReport) -> Picture:
        report(70, "refining")
        raise EngineError(code, "the process was killed by SIGKILL", retryable=True)

    monkeypatch.setattr(JobPool, "render", render)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "u2net.onnx"
    file.touch()
    return file


@pytest.mark.parametrize("code", ["out_of_memory", "engine_crashed", "engine_failed", "job_timeout"])
@pytest.mark.parametrize("automatic", [False, True])
async def test_a_failure_that_may_be_the_networks_is_made_good_by_the_local_engine(
    monkeypatch: pytest.MonkeyPatch, weights: Path, code: str, automatic: bool
) -> None:
    failing(monkeypatch, code)
    local, percents = Local(), list[int]()
    neural = NeuralEngine(NeuralSettings(model="u2net", weights=weights), PoolSettings(), local)
    engine = neural.automatic if automatic else neural
    picture = await engine.generate(b"photo", SPEC, lambda percent, _stage: percents.append(percent))
    assert (picture.engine, picture.data, local.made) == (Engine.LOCAL, b"picture", 1)
    assert [finding.code for finding in picture.findings] == ["engine_fallback"]
    assert "killed by SIGKILL" in picture.findings[0].message
    assert percents == [70, 70], "progress never falls"


@pytest.mark.parametrize("code", ["shutting_down", "result_too_large", "job_too_large"])
async def test_a_failure_that_no_other_engine_would_avoid_is_raised(
    monkeypatch: pytest.MonkeyPatch, weights: Path, code: str
) -> None:
    failing(monkeypatch, code)
    local = Local()
    neural = NeuralEngine(NeuralSettings(model="u2net", weights=weights), PoolSettings(), local)
    with pytest.raises(EngineError) as caught:
        await neural.generate(b"photo", SPEC, lambda _percent, _stage: None)
    assert (caught.value.code, local.made) == (code, 0)
