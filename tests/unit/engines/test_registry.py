"""Which engine a task gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task import Engine
from generator_service.engines.gemini import GeminiSettings
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
    with pytest.raises(InvalidRequest, match="rembg needs WHITEBG_REMBG_MODEL"):
        engines.require(Engine.REMBG)


def test_an_order_without_any_configured_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gemini names no configured engine; set WHITEBG_ENGINE_ORDER.*local"):
        Engines.from_settings(EngineSettings(order=(Engine.GEMINI,)))
