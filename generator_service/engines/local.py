"""The local engine: no network, no model weights."""

from __future__ import annotations

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.jobs import RenderJob


class LocalEngine:
    """Renders in the pool, which its creator closes; closing it ends the calls under way."""

    def __init__(self, pool: JobPool) -> None:
        self._pool = pool

    @property
    def name(self) -> Engine:
        """LOCAL."""
        return Engine.LOCAL

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture; see `ImageEngine.generate`."""
        try:
            return await self._pool.render(RenderJob(photo=photo, spec=spec, engine=self.name), report)
        except ImageRejected as error:
            raise EngineError(error.code, str(error), retryable=False) from error

    async def close(self) -> None:
        """Do nothing: the pool is shared."""
