"""A real worker process whose engine takes 200 ms and no CPU, to measure everything around the engine."""

from __future__ import annotations

import asyncio
from functools import partial

from generator_service.command_line import run_until_stopped
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.job_pool import JobPool
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import Engines
from generator_service.settings import Settings
from generator_service.worker_process import running_worker
from tests.support.photos import product_photo
from whitebg_process.logs import configure_logs

SECONDS = 0.2


class SlowEngine:
    """Waits, and always returns the same picture."""

    name = Engine.LOCAL

    def __init__(self) -> None:
        self._picture = Picture(
            data=product_photo(100, 100),
            format=OutputFormat.PNG,
            width=100,
            height=100,
            fill=0.85,
            confidence=1.0,
            findings=(),
            report=Report(preset="custom", checks=()),
            thumbnail=product_photo(32, 32, "JPEG"),
            engine=Engine.LOCAL,
        )

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        report(50, "waiting")
        await asyncio.sleep(SECONDS)
        return self._picture

    async def close(self) -> None:
        """Do nothing: there are no resources to release."""


def main() -> None:
    settings = Settings()
    configure_logs(settings.log_level)
    engines = Engines(JobPool(PoolSettings(processes=1)), [SlowEngine()], (Engine.LOCAL,))
    asyncio.run(run_until_stopped(settings, partial(running_worker, engines=engines)))


if __name__ == "__main__":
    main()
