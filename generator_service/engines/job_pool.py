"""The pool of processes that run the engines' jobs."""

from __future__ import annotations

from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import RenderJob, ShrinkJob
from generator_service.engines.pool.pool import PoolSettings, Preparation, ProcessPool


class JobPool:
    """A pool of processes for `RenderJob` and `ShrinkJob`."""

    def __init__(
        self,
        settings: PoolSettings,
        runner: str = "generator_service.engines.job_runner:perform",
        preparation: Preparation | None = None,
    ) -> None:
        self._pool = ProcessPool(runner, settings, preparation)

    async def start(self) -> None:
        """Start the processes; see `ProcessPool.start`."""
        await self._pool.start()

    async def close(self) -> None:
        """End the processes; see `ProcessPool.close`."""
        await self._pool.close()

    async def render(self, job: RenderJob, report: ProgressReport) -> Picture:
        """Make a picture.

        Raises:
            ImageRejected: no picture can be made of this photo.
            EngineError: see `ProcessPool.run`.

        """
        picture = await self._pool.run(job, report)
        if not isinstance(picture, Picture):
            raise TypeError(f"the runner made a {type(picture).__name__} of a RenderJob")
        return picture

    async def shrink(self, job: ShrinkJob, report: ProgressReport) -> bytes:
        """Make a small JPEG.

        Raises:
            ImageRejected: the photo can't be read.
            EngineError: see `ProcessPool.run`.

        """
        jpeg = await self._pool.run(job, report)
        if not isinstance(jpeg, bytes):
            raise TypeError(f"the runner made a {type(jpeg).__name__} of a ShrinkJob")
        return jpeg
