"""The jobs that engines give to the pool. Light to import: the server names them, only the children can do them."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.pool import PoolSettings, ProcessPool


@dataclass(frozen=True, slots=True)
class RembgCut:
    """Find the product with this model of rembg, from the ONNX file ``weights``, or from where rembg keeps its own."""

    model: str
    weights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """Cut the product out of ``photo`` and make the picture of ``spec``; the result is a `Picture`."""

    photo: bytes
    spec: PictureSpec
    engine: Engine
    """Who the picture is said to be from."""
    original: bytes | None = None
    """The photo sent in, where ``photo`` was itself made from it; the report compares the two."""
    cut: RembgCut | None = None
    """How to find the product; None: as the local engine does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkJob:
    """Make a plain JPEG of ``photo``, upright, without metadata; the result is `bytes`."""

    photo: bytes
    max_side_px: int


Job = RenderJob | ShrinkJob


class JobPool:
    """A pool of processes for these jobs."""

    def __init__(self, settings: PoolSettings) -> None:
        self._pool = ProcessPool("generator_service.engines.job_runner:perform", settings)

    async def start(self) -> None:
        """Start the processes; see `ProcessPool.start`."""
        await self._pool.start()

    async def close(self) -> None:
        """End them; see `ProcessPool.close`."""
        await self._pool.close()

    async def render(self, job: RenderJob, report: ProgressReport) -> Picture:
        """Make a picture.

        Raises:
            ImageRejected: there is no picture to be had of this photo.
            EngineError: see `ProcessPool.run`.

        """
        picture = await self._pool.run(job, report)
        if not isinstance(picture, Picture):
            raise TypeError(f"the runner made a {type(picture).__name__} of a RenderJob")
        return picture

    async def shrink(self, job: ShrinkJob) -> bytes:
        """Make a small JPEG.

        Raises:
            ImageRejected: it is not a photo that can be read.
            EngineError: see `ProcessPool.run`.

        """
        jpeg = await self._pool.run(job, _ignore)
        if not isinstance(jpeg, bytes):
            raise TypeError(f"the runner made a {type(jpeg).__name__} of a ShrinkJob")
        return jpeg


def _ignore(_percent: int, _stage: str) -> None:
    """Take progress that nobody wants: shrinking is over in a moment."""
