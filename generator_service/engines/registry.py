"""The engines of this service, and the choice of one for a task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from generator_service.domain.engine_info import EngineInfo
from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task_options import Engine
from generator_service.engines.base import ImageEngine
from generator_service.engines.gemini_settings import CallObserver, GeminiSettings
from generator_service.engines.job_pool import JobPool
from generator_service.engines.local import LocalEngine
from generator_service.engines.neural.engine import NeuralEngine
from generator_service.engines.neural.models import Model
from generator_service.engines.neural.settings import NeuralSettings, offer
from generator_service.engines.pool.pool import PoolSettings

DEFAULT_ORDER = (Engine.GEMINI, Engine.NEURAL, Engine.LOCAL)

_GEMINI_MISSING = "gemini needs WHITEBG_GEMINI_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of all engines."""

    order: Sequence[Engine] = DEFAULT_ORDER
    """Engines that AUTO tries in turn; those that are not configured are skipped."""
    pool: PoolSettings = field(default_factory=PoolSettings)
    gemini: GeminiSettings | None = None
    """None: Gemini has no key and is not available."""
    neural: NeuralSettings | None = None
    """None: no model is named or installed, so the neural engine is not available."""
    installed: Sequence[Model] = ()
    """Models in the data folder."""


class NoEngine(ValueError):
    """The order names no engine that is configured."""


class Engines:
    """The configured engines, by name, and their shared pool."""

    def __init__(
        self,
        pool: JobPool,
        engines: Iterable[ImageEngine],
        order: Sequence[Engine],
        neural: NeuralEngine | None = None,
        missing: Mapping[Engine, str] | None = None,
        models: Mapping[Engine, str] | None = None,
    ) -> None:
        self._pool = pool
        self._neural = neural
        self._models = models or {}
        self._missing = missing or {}
        """Why engines are not available, and the remedy."""
        self._engines = {engine.name: engine for engine in engines}
        self.order = tuple(name for name in order if name in self._engines)
        """Engines that AUTO may use, the preferred one first."""
        if not self.order:
            raise NoEngine(
                f"the engine order {', '.join(order) or '(empty)'} names no configured engine; "
                f"set WHITEBG_ENGINE_ORDER to some of: {', '.join(self._engines)}"
            )

    @classmethod
    def from_settings(cls, settings: EngineSettings, on_call: CallObserver | None = None) -> Self:
        """Create the engines that ``settings`` allow. Nothing runs before `start`; ``on_call`` receives paid calls.

        Raises:
            NoEngine: the order names none of these engines.
            ModelUnusable: the neural engine's model must not or can't be used.

        """
        pool = JobPool(settings.pool)
        local = LocalEngine(pool)
        engines: list[ImageEngine] = [local]
        if settings.gemini is not None:
            # Most machines have no key, and the SDK takes most of a second to import.
            from generator_service.engines.gemini.engine import GeminiEngine

            observer = {} if on_call is None else {"on_call": on_call}
            engines.append(GeminiEngine(settings.gemini, pool, **observer))
        neural = None if settings.neural is None else NeuralEngine(settings.neural, settings.pool, local)
        if neural is not None:
            engines.append(neural)
        missing = {Engine.GEMINI: _GEMINI_MISSING, Engine.NEURAL: offer(settings.installed)}
        models = {} if settings.gemini is None else {Engine.GEMINI: settings.gemini.model}
        if settings.neural is not None:
            models[Engine.NEURAL] = settings.neural.model
        return cls(pool, engines, settings.order, neural, missing, models)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the processes; see `ProcessPool.start`."""
        await self._pool.start()
        if self._neural is not None:
            await self._neural.start()

    def available(self) -> tuple[Engine, ...]:
        """Return the names of the configured engines; the one that AUTO prefers comes first."""
        return tuple(sorted(self._engines, key=lambda name: name is not self.order[0]))

    def require(self, engine: Engine, *, automatic: bool = False) -> ImageEngine:
        """Return the engine of this name, or the one that AUTO prefers.

        ``automatic``: the service chose the engine, so the neural engine uses the local engine's cut-out where that is
        better.

        Raises:
            InvalidRequest: the engine is not configured.

        """
        found = self._engines.get(self.order[0] if engine is Engine.AUTO else engine)
        if found is None:
            names = ", ".join(self.available())
            raise InvalidRequest(
                "options.engine",
                f"{engine.value!r} is not available here ({self._missing.get(engine, 'not configured')}); "
                f"available are auto, {names}",
            )
        if self._neural is not None and found is self._neural and (automatic or engine is Engine.AUTO):
            return self._neural.automatic
        return found

    def describe(self) -> tuple[EngineInfo, ...]:
        """Return all engines but AUTO, available ones first, in AUTO's order of preference."""
        there = [*self.order, *(name for name in self._engines if name not in self.order)]
        missing = [name for name in Engine if name is not Engine.AUTO and name not in self._engines]
        return (
            *(EngineInfo(engine=name, available=True, model=self._models.get(name, "")) for name in there),
            *(EngineInfo(engine=name, available=False, hint=self._missing.get(name, "")) for name in missing),
        )

    async def close(self) -> None:
        """Close all engines, then the pool. Calls under way end with a retryable `EngineError`."""
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))
        await self._pool.close()
