"""The neural engine: a larger network of the user's choice finds the product, in separate processes.

The processes are separate because each holds a network: those of the local engine stay small.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine
from generator_service.engines.base import ImageEngine, Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.jobs import RenderJob
from generator_service.engines.neural.notices import fallback, rising
from generator_service.engines.neural.settings import (
    NeuralSettings,
    check,
    encode,
    machine_memory,
    process_count,
    process_memory,
)
from generator_service.engines.pool.pool import PoolSettings, Preparation

_log = logging.getLogger(__name__)

_RUNNER = "generator_service.engines.neural.runner"
_READY_SECONDS = 300.0
"""Long enough to read, hash and optimise a gigabyte of weights."""
_FALLBACK = frozenset({"out_of_memory", "engine_crashed", "engine_failed", "job_timeout"})
"""Codes of failures that the network may have caused: the job is retried without it."""


class NeuralEngine:
    """Renders as the local engine does, with a network's mask as its prior; falls back to ``local`` on failure."""

    def __init__(self, settings: NeuralSettings, pool: PoolSettings, local: ImageEngine) -> None:
        """Create the engine; raise `ModelUnusable` if the model must not or can't be used."""
        model = check(settings)
        how = replace(
            pool,
            processes=process_count(model, settings.processes, pool.processes, machine_memory()),
            memory_bytes=process_memory(model, pool.memory_bytes),
            ready_timeout=_READY_SECONDS,
        )
        self._pool = JobPool(how, f"{_RUNNER}:perform", Preparation(f"{_RUNNER}:prepare", encode(settings)))
        self._local = local
        self._problem: str | None = None
        """Why the processes could not be started."""

    @property
    def name(self) -> Engine:
        """NEURAL."""
        return Engine.NEURAL

    @property
    def automatic(self) -> ImageEngine:
        """The variant of this engine for tasks that request AUTO: it uses the better of two masks."""
        return _Automatic(self)

    async def start(self) -> None:
        """Start the processes. If that fails, the local engine makes all pictures, and each has a finding."""
        try:
            await self._pool.start()
        except EngineError as error:
            self._problem = error.message
            _log.error("no network: %s; pictures are made by the local engine", error.message)

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture; see `ImageEngine.generate`."""
        return await self.render(photo, spec, report, compare=False)

    async def render(self, photo: bytes, spec: PictureSpec, report: ProgressReport, *, compare: bool) -> Picture:
        """Make the picture; if ``compare``, from the better of the network's mask and the local engine's.

        Raises:
            EngineError: there is no picture.

        """
        report = rising(report)
        if self._problem is not None:
            return await self._locally(photo, spec, report, self._problem)
        job = RenderJob(photo=photo, spec=spec, engine=self.name, compare=compare)
        try:
            return await self._pool.render(job, report)
        except ImageRejected as error:
            raise EngineError(error.code, str(error), retryable=False) from error
        except EngineError as error:
            if error.code not in _FALLBACK:
                raise
            return await self._locally(photo, spec, report, error.message)

    async def _locally(self, photo: bytes, spec: PictureSpec, report: ProgressReport, reason: str) -> Picture:
        picture = await self._local.generate(photo, spec, report)
        return replace(picture, findings=(fallback(reason), *picture.findings))

    async def close(self) -> None:
        """End the processes. Calls under way end with a retryable `EngineError`."""
        await self._pool.close()


class _Automatic:
    def __init__(self, engine: NeuralEngine) -> None:
        self._engine = engine

    @property
    def name(self) -> Engine:
        return self._engine.name

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        return await self._engine.render(photo, spec, report, compare=True)

    async def close(self) -> None:
        """Do nothing: the engine itself is closed."""
