"""A worker as operators see it, idle or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator_service.domain.task_options import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker's description of itself."""

    name: str
    """Unique among all workers, past and future: the owner of its leases."""
    host: str
    version: str
    """Release of the worker's code."""
    slots: int
    """Number of concurrent tasks."""
    engines: Sequence[Engine]
    """Engines that it runs, in its order for ``auto``."""
