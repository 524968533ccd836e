"""Public information about an engine."""

from __future__ import annotations

from dataclasses import dataclass

from generator_service.domain.task_options import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """An engine that a task may request, and whether this service provides it."""

    engine: Engine
    available: bool
    model: str = ""
    """Model of the engine; empty if it has none or is unavailable."""
    hint: str = ""
    """If unavailable: how to install the engine, and its benefit, in English."""
