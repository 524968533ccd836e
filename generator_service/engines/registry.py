"""Which engines this service has, and which one a task gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task import Engine
from generator_service.engines.base import ImageEngine
from generator_service.engines.gemini import CallObserver, GeminiEngine, GeminiSettings
from generator_service.engines.jobs import JobPool
from generator_service.engines.local import LocalEngine
from generator_service.engines.pool import PoolSettings
from generator_service.engines.rembg import RembgEngine, RembgSettings

DEFAULT_ORDER = (Engine.GEMINI, Engine.LOCAL)

_MISSING = {
    Engine.GEMINI: "gemini needs WHITEBG_GEMINI_API_KEY",
    Engine.REMBG: "rembg needs WHITEBG_REMBG_MODEL and: pip install 'whitebg[rembg]'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Which engines there are to be."""

    order: Sequence[Engine] = DEFAULT_ORDER
    """AUTO takes the first of these that is configured."""
    pool: PoolSettings = field(default_factory=PoolSettings)
    gemini: GeminiSettings | None = None
    """None: no key, so no Gemini."""
    rembg: RembgSettings | None = None
    """None: no model was named, so no rembg."""


class NoEngine(ValueError):
    """The order names no engine that is configured."""


class Engines:
    """The configured engines, by name, with the pool that they share."""

    def __init__(self, pool: JobPool, engines: Iterable[ImageEngine], order: Sequence[Engine]) -> None:
        self._pool = pool
        self._engines = {engine.name: engine for engine in engines}
        self._auto = next((self._engines[name] for name in order if name in self._engines), None)
        if self._auto is None:
            raise NoEngine(
                f"the engine order {', '.join(order) or '(empty)'} names no configured engine; "
                f"set WHITEBG_ENGINE_ORDER to some of: {', '.join(self._engines)}"
            )

    @classmethod
    def from_settings(cls, settings: EngineSettings, on_call: CallObserver | None = None) -> Self:
        """Make the engines that ``settings`` allow. Nothing runs before `start`; ``on_call`` hears of paid calls.

        Raises:
            NoEngine: the order names none of them.
            RembgUnusable: its model may not or can't be used.

        """
        pool = JobPool(settings.pool)
        engines: list[ImageEngine] = [LocalEngine(pool)]
        if settings.gemini is not None:
            observer = {} if on_call is None else {"on_call": on_call}
            engines.append(GeminiEngine(settings.gemini, pool, **observer))
        if settings.rembg is not None:
            engines.append(RembgEngine(settings.rembg, pool))
        return cls(pool, engines, settings.order)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the processes; see `ProcessPool.start`."""
        await self._pool.start()

    def available(self) -> tuple[Engine, ...]:
        """Return the names of the configured engines; what AUTO takes comes first."""
        return tuple(sorted(self._engines, key=lambda name: self._engines[name] is not self._auto))

    def require(self, engine: Engine) -> ImageEngine:
        """Return the engine of this name, or the one that AUTO stands for.

        Raises:
            InvalidRequest: it is not configured.

        """
        found = self._auto if engine is Engine.AUTO else self._engines.get(engine)
        if found is None:
            names = ", ".join(self.available())
            raise InvalidRequest(
                "options.engine",
                f"{engine.value!r} is not available here ({_MISSING.get(engine, 'not configured')}); "
                f"available are auto, {names}",
            )
        return found

    async def close(self) -> None:
        """Close all engines, then the pool. Calls under way end with a retryable `EngineError`."""
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))
        await self._pool.close()
