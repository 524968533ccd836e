"""Reads the headers of uploads in separate processes, so that the service itself never parses them.

The processes are not those of the engines, so that an upload never waits for a picture.
"""

from __future__ import annotations

from typing import Self

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.engines.pool.pool import PoolSettings, ProcessPool
from generator_service.imaging.source.header import MaskFile, PhotoHeader

_MIB = 1024 * 1024
SETTINGS = PoolSettings(
    # Two, so that a file that uses up its time limit does not block the others.
    processes=2,
    # A WebP of 64 megapixels takes 500 MiB to open: its reader allocates two canvases.
    memory_bytes=1024 * _MIB,
    job_timeout=10.0,
    # More than a whole request: the reader itself rejects a file that is too large, with the right error.
    max_frame_bytes=40 * _MIB,
    niceness=0,
    # Starting a process takes as much processor time as reading hundreds of headers.
    jobs_per_process=10_000,
)
RUNNER = "generator_service.engines.inspect_runner:perform"
_FILE = {"image": "file's", "mask": "mask's"}
_SAVE_AGAIN = "open it in an image editor and save it again as JPEG or PNG"


class InspectorUnavailable(Exception):
    """Photos can't be inspected at present; the request may be repeated."""


class Inspector:
    """Reads photos' headers, at most ``settings.processes`` at once; others wait."""

    def __init__(self, settings: PoolSettings = SETTINGS, runner: str = RUNNER) -> None:
        self._settings = settings
        self._pool = ProcessPool(runner, settings)

    async def __aenter__(self) -> Self:
        await self._pool.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def inspect(self, photo: bytes) -> PhotoHeader:
        """Read the header of a photo.

        Raises:
            ImageRejected: as `inspect_photo`; also with ``image_too_complex`` if reading takes more memory or time
                than allowed, and with ``image_not_readable`` if the file crashed the process twice.
            InspectorUnavailable: the service is shutting down.

        """
        return await self._twice(photo, "image")

    async def inspect_mask(self, mask: bytes) -> PhotoHeader:
        """Read the header of a mask.

        Raises:
            ImageRejected: as `imaging.source.mask_header.inspect_mask`; also with ``mask_too_complex`` and
                ``mask_not_readable``, as `inspect`.
            InspectorUnavailable: the service is shutting down.

        """
        return await self._twice(MaskFile(mask), "mask")

    async def _twice(self, job: bytes | MaskFile, what: str) -> PhotoHeader:
        try:
            return await self._inspect(job)
        except EngineError as error:
            if error.code != "engine_crashed":
                raise self._rejection(error, what) from None
        # A crash may have another cause, such as a system out of memory: the file is read once more by a new process.
        try:
            return await self._inspect(job)
        except EngineError as error:
            raise self._rejection(error, what) from None

    async def _inspect(self, job: bytes | MaskFile) -> PhotoHeader:
        header = await self._pool.run(job, _no_progress)
        if not isinstance(header, PhotoHeader):
            raise TypeError(f"the runner returned a {type(header).__name__}, not a PhotoHeader")
        return header

    def _rejection(self, error: EngineError, what: str) -> ImageRejected | InspectorUnavailable:
        match error.code:
            case "out_of_memory":
                limit = f"{(self._settings.memory_bytes or 0) / _MIB:,.0f} MiB of memory"
            case "job_timeout":
                limit = f"{self._settings.job_timeout:g} s"
            case "engine_crashed" | "engine_failed":
                return ImageRejected(f"{what}_not_readable", f"the {_FILE[what]} header can't be read; {_SAVE_AGAIN}")
            case _:
                return InspectorUnavailable("the service can't read photos now; try again shortly")
        return ImageRejected(
            f"{what}_too_complex", f"reading the {_FILE[what]} header takes more than {limit}, the limit; {_SAVE_AGAIN}"
        )


def _no_progress(_percent: int, _stage: str) -> None:
    """Ignore progress: a header is read at once."""
