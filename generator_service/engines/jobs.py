"""Jobs that engines submit to the pool. Light to import: the server creates them, child processes run them."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.pool.pool import PoolSettings, Preparation, ProcessPool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """Cut the product out of ``photo`` and make the picture of ``spec``; the result is a `Picture`."""

    photo: bytes
    spec: PictureSpec
    engine: Engine
    """The engine recorded as the maker of the picture."""
    original: bytes | None = None
    """The submitted photo, if ``photo`` was generated from it; the report compares the two."""
    compare: bool = False
    """With a network: whether to use the better of its mask and the local engine's; ``engine`` is set to match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkJob:
    """Make a plain JPEG of ``photo``, upright, without metadata; the result is `bytes`."""

    photo: bytes
    max_side_px: int


Job = RenderJob | ShrinkJob


class JobPool:
    """A pool of processes for these jobs."""

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
