"""Selection of the engine for a task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task_options import Engine
from generator_service.engines.gemini_settings import GeminiSettings
from generator_service.engines.neural.settings import NeuralSettings
from generator_service.engines.registry import DEFAULT_ORDER, Engines, EngineSettings

Make = Callable[[EngineSettings], Engines]
GEMINI = GeminiSettings(api_key="key")


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    made: list[Engines] = []

    def make_engines(settings: EngineSettings) -> Engines:
        made.append(Engines.from_settings(settings))
        return made[-1]

    yield make_engines
    for engines in made:
        await engines.close()


def test_without_a_key_auto_is_local(make: Make) -> None:
    engines = make(EngineSettings())
    assert engines.available() == (Engine.LOCAL,)
    assert engines.require(Engine.AUTO).name is Engine.LOCAL


def test_with_a_key_auto_is_gemini(make: Make) -> None:
    engines = make(EngineSettings(gemini=GEMINI))
    assert engines.available() == (Engine.GEMINI, Engine.LOCAL)
    assert engines.require(Engine.AUTO).name is Engine.GEMINI
    assert engines.require(Engine.LOCAL).name is Engine.LOCAL


def test_the_order_decides_what_auto_is(make: Make) -> None:
    engines = make(EngineSettings(gemini=GEMINI, order=tuple(reversed(DEFAULT_ORDER))))
    assert engines.available() == (Engine.LOCAL, Engine.GEMINI)
    assert engines.require(Engine.AUTO).name is Engine.LOCAL


def test_a_missing_engine_says_what_to_set(make: Make) -> None:
    engines = make(EngineSettings())
    with pytest.raises(
        InvalidRequest, match=r"gemini needs WHITEBG_GEMINI_API_KEY.*available are auto, local"
    ) as caught:
        engines.require(Engine.GEMINI)
    assert caught.value.field == "options.engine"
    with pytest.raises(InvalidRequest, match="whitebg models install isnet-general-use"):
        engines.require(Engine.NEURAL)


def test_engines_are_described_with_their_models_and_with_what_the_missing_ones_need(make: Make) -> None:
    gemini, local, neural = make(EngineSettings(gemini=GEMINI)).describe()
    assert (gemini.engine, gemini.available, gemini.model) == (Engine.GEMINI, True, GEMINI.model)
    assert (local.engine, local.available, local.model) == (Engine.LOCAL, True, "")
    assert (neural.engine, neural.available) == (Engine.NEURAL, False)
    assert "adds: better cut-outs" in neural.hint


def test_a_network_comes_before_the_local_engine_and_auto_compares_the_two(make: Make, tmp_path: Path) -> None:
    weights = tmp_path / "u2net.onnx"
    weights.touch()
    engines = make(EngineSettings(neural=NeuralSettings(model="u2net", weights=weights)))
    assert engines.order == (Engine.NEURAL, Engine.LOCAL)
    assert engines.describe()[0].model == "u2net"
    named = engines.require(Engine.NEURAL)
    assert engines.require(Engine.AUTO) is not named
    assert engines.require(Engine.NEURAL, automatic=True).name is Engine.NEURAL
    assert engines.require(Engine.NEURAL, automatic=True) is not named


def test_an_order_without_any_configured_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gemini names no configured engine; set WHITEBG_ENGINE_ORDER.*local"):
        Engines.from_settings(EngineSettings(order=(Engine.GEMINI,)))
