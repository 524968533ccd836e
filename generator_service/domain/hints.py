"""Hints: regions of a photo that its owner marks as product or backdrop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generator_service.domain.finding import Region

MAX_HINTS = 64


class HintKind(StrEnum):
    """Whether a region is product or backdrop."""

    KEEP = "keep"
    """Product: everything in it that differs from the backdrop is kept."""
    DROP = "drop"
    """Backdrop: nothing in it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A region of the photo, marked as product or backdrop."""

    region: Region
    kind: HintKind
