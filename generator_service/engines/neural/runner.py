"""Runs the neural engine's jobs. Imported by engine processes only; each loads its network once, before its first job.

If the network can't be loaded or run, the local engine's method makes the picture, with a finding about the cause.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.task_options import Engine
from generator_service.engines import job_runner
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import RenderJob
from generator_service.engines.neural.models import ModelUnusable, usable_model
from generator_service.engines.neural.network import Network
from generator_service.engines.neural.notices import fallback, rising, unverified
from generator_service.engines.neural.settings import decode

_log = logging.getLogger(__name__)


class _NetworkFailed(Exception):
    """The network made no mask. The string has the reason."""


_loaded: Network | str = "no model was named"
"""This process's network, or the reason why it has none."""


def prepare(argument: str) -> None:
    """Load the network that ``argument`` (`settings.encode`) names; a failure is stored for the jobs to report."""
    global _loaded  # noqa: PLW0603  one per process, loaded before the first job
    settings = decode(argument)
    try:
        _loaded = Network.load(
            usable_model(settings.model), settings.weights, allow_unverified=settings.allow_unverified
        )
    except (ModelUnusable, MemoryError) as error:
        _loaded = _reason(error)
        _log.error("no network: %s; pictures are made by the local engine", _loaded)


def perform(job: object, report: ProgressReport) -> Picture | bytes:
    """Run one job; see `job_runner.perform`.

    Raises:
        ImageRejected: the photo can't be used.

    """
    if not (isinstance(job, RenderJob) and job.engine is Engine.NEURAL):
        return job_runner.perform(job, report)
    report = rising(report)
    network = _loaded
    if isinstance(network, str):
        return _locally(job, network, report)

    def prior(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            return network(rgb)
        except (ModelUnusable, MemoryError) as error:
            raise _NetworkFailed(_reason(error)) from error

    try:
        picture = job_runner.picture_of(job, report, prior)
    except _NetworkFailed as error:
        _log.warning("the network failed: %s; the local engine makes the picture", error)
        return _locally(job, str(error), report)
    if network.verified or picture.engine is not Engine.NEURAL:
        return picture
    return replace(picture, findings=(unverified(), *picture.findings))


def _locally(job: RenderJob, reason: str, report: ProgressReport) -> Picture:
    picture = job_runner.picture_of(replace(job, engine=Engine.LOCAL), report, None)
    return replace(picture, findings=(fallback(reason), *picture.findings))


def _reason(error: ModelUnusable | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"{error}; raise WHITEBG_POOL_MEMORY_MIB, or choose a smaller model"
    return str(error)
