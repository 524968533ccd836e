"""What every engine offers, whoever makes the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task import Engine, OutputFormat

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
    """How far the engine trusts its cut-out, 0 to 1; None where it can't tell."""
    warnings: tuple[str, ...]
    report: Report
    """The file measured against its preset's rule."""
    thumbnail: bytes
    """JPEG, at most 320 pixels."""
    engine: Engine


class ImageEngine(Protocol):
    """Makes a picture on a plain background from a photo."""

    @property
    def name(self) -> Engine:
        """Which engine it is; never AUTO."""
        ...

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture.

        Cancelling the call stops the work: nothing of it goes on afterwards.

        Raises:
            EngineError: there is no picture; it says whether to try again, and when.

        """
        ...

    async def close(self) -> None:
        """Let go of processes and connections. Calls under way end with a retryable `EngineError`."""
        ...
