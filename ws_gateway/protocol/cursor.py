"""Cursors and other answers to "since when?". To clients a cursor is opaque text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple, Self

# Bounded to the cursors that the service issues: numbers of a signed 64-bit column.
_CURSOR = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,18})")
# In a query string the "+" of a UTC offset reads as a space.
_SPACED_OFFSET = re.compile(r" (\d\d:\d\d)$")
_MAX_SHOWN = 80


class UserCursor(NamedTuple):
    """A position in one user's log: ``<epoch>:<seq>``; ``seq`` is the last event read, 0 for none.

    The gateway inspects it for one purpose: to verify that live events follow the events read, without gap or
    repetition.
    """

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor.

        Raises:
            ValueError: it is not the cursor of a user's log.

        """
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:_MAX_SHOWN]!r} is not a cursor; use one exactly as the gateway sent it")
        return cls(match[1], int(match[2]))


class Start(Enum):
    """Where to begin without a cursor or a time."""

    NOW = "now"
    """With what happens from now on."""
    SNAPSHOT = "snapshot"
    """With the tasks as they stand."""


Since = UserCursor | datetime | Start


def parse_since(text: str) -> UserCursor | datetime:
    """Parse a client's position: a cursor, or an RFC 3339 time with an offset (returned in UTC).

    Raises:
        ValueError: it is neither.

    """
    if _CURSOR.fullmatch(text):
        return UserCursor.parse(text)
    try:
        time = datetime.fromisoformat(_SPACED_OFFSET.sub(r"+\1", text))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(
            f"since: {text[:_MAX_SHOWN]!r} is neither a cursor (the id of a message) nor an RFC 3339 time such as "
            "2026-01-08T10:00:00Z"
        )
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"since: the time {text[:_MAX_SHOWN]!r} is out of range") from error
