"""The interface that all engines implement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from generator_service.domain.finding import Finding
from generator_service.domain.placement import Placement
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task_options import Engine, OutputFormat

ProgressReport = Callable[[int, str], None]
"""Called with percent (0 to 100, never falling) and stage, from the event loop's thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A finished picture, encoded."""

    data: bytes
    format: OutputFormat
    width: int
    height: int
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None
    """The engine's confidence in its cut-out, 0 to 1; None if it has no estimate."""
    findings: tuple[Finding, ...]
    """Findings for a person to check or know."""
    report: Report
    """The file measured against its preset's rule."""
    placement: Placement | None = None
    """Position and scale of the photo in the picture; None if a model generated the picture."""
    thumbnail: bytes
    """JPEG, at most 320 pixels."""
    engine: Engine
    mask: bytes | None = None
    """The product's alpha as a grey PNG over the upright photo, no side longer than 2048 pixels; None if the picture
    was not cut out of the photo."""


class ImageEngine(Protocol):
    """Makes a picture on a plain background from a photo."""

    @property
    def name(self) -> Engine:
        """The engine's name; never AUTO."""
        ...

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture.

        Cancelling the call stops all of its work.

        Raises:
            EngineError: there is no picture; its fields state whether and when to retry.

        """
        ...

    async def close(self) -> None:
        """Release processes and connections. Calls under way end with a retryable `EngineError`."""
        ...


@runtime_checkable
class CheckableEngine(Protocol):
    """An engine whose pictures cost money, and that can check its access without making one."""

    async def check(self) -> str:
        """Check the access; return a sentence about it.

        Raises:
            EngineError: the engine can't be used.

        """
        ...
