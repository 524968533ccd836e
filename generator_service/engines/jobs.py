"""Jobs that engines submit to their pool. Light to import: the server creates them, child processes run them."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine


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
