"""What users consume: amounts that are added up per user and day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    # For typing only: that module imports this one.
    from generator_service.domain.task_options import Engine

DELETED_USERS = ""
"""User under whom the usage of deleted users is counted; no user has this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Amounts used; each is 0 or more. Times are in microseconds."""

    photos: int = 0
    """Photos received; several tasks that share one count once."""
    results: int = 0
    """Pictures made."""
    bytes_in: int = 0
    """Bytes of photos and masks stored."""
    bytes_out: int = 0
    """Bytes of results stored: pictures, thumbnails and masks."""
    local_us: int = 0
    """Work of the local engine, without the wait for a free process."""
    neural_us: int = 0
    """Work of the neural engine, in the same way."""
    gemini_us: int = 0
    """Duration of calls to Gemini and of the rendering of their pictures."""
    gemini_calls: int = 0
    """Calls to Gemini that were begun, whatever their outcome."""
    gemini_input_tokens: int = 0
    """Tokens of prompts, photos among them."""
    gemini_output_tokens: int = 0
    """Tokens of replies, including the model's thinking."""

    def __add__(self, other: Usage) -> Usage:
        """Add amounts."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in AMOUNTS})

    @property
    def columns(self) -> dict[str, int]:
        """The amounts by name."""
        return {name: getattr(self, name) for name in AMOUNTS}

    @classmethod
    def of_engine(cls, engine: Engine, micros: int) -> Self:
        """Return the work of an engine."""
        return cls(**{f"{engine.value}_us": micros})

    def engine_us(self, engine: Engine) -> int:
        """Return the work of an engine, never AUTO, in microseconds."""
        micros: int = getattr(self, f"{engine.value}_us")
        return micros


AMOUNTS = tuple(each.name for each in fields(Usage))
"""Names of the amounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """The usage of one user on one day, in UTC."""

    day: date
    user_id: str
    usage: Usage


def day_of(at: datetime) -> date:
    """Return the day on which usage at this time is counted."""
    return at.astimezone(UTC).date()
