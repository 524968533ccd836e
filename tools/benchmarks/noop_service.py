"""`python -m tools.benchmarks.noop_service`: the real service with an engine that takes no time.

Everything else is as in production: the upload, the inspection of its header in another process, the images stored
and synced, two commits, the log and its watchers. So a benchmark measures everything around the picture.
"""

from __future__ import annotations

import sys
import time
from functools import partial

import uvloop

from generator_service.command_line import SWITCH_SECONDS, run_until_stopped
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.server import running_service
from generator_service.settings import Settings
from tools.benchmarks.photos import PHOTO, THUMBNAIL
from whitebg_process.logs import configure_logs


class NoopEngine:
    """Returns a picture at once; its stage is the wall time at which it was called, in microseconds."""

    name = Engine.LOCAL

    def __init__(self) -> None:
        self._picture = Picture(
            data=PHOTO,
            format=OutputFormat.JPEG,
            width=64,
            height=48,
            fill=0.85,
            confidence=1.0,
            findings=(),
            report=Report(preset="custom", checks=()),
            thumbnail=THUMBNAIL,
            engine=Engine.LOCAL,
        )

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:  # noqa: ARG002 (the interface)
        """Return the picture."""
        report(50, str(time.time_ns() // 1000))
        return self._picture

    async def close(self) -> None:
        """Nothing to release."""


def main() -> None:
    """Serve until stopped."""
    settings = Settings()
    configure_logs(settings.log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    engines = Engines(JobPool(PoolSettings(processes=1)), [NoopEngine()], (Engine.LOCAL,))
    uvloop.run(run_until_stopped(settings, partial(running_service, engines=engines)))


if __name__ == "__main__":
    main()
