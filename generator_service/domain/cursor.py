"""Cursors: the log position up to which a watcher has read. They are opaque text to clients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from generator_service.domain.errors import BadCursor

# Numbers are bounded to what a signed 64-bit column holds.
_USER = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,18})")
_LOG = re.compile(r"([0-9a-f]{1,64}):r([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class UserCursor:
    """A position in one user's log: ``<epoch>:<seq>``. ``position`` is the last ``seq`` read, 0 for none."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor back.

        Raises:
            BadCursor: the text is not a cursor, or is a cursor of the whole log.

        """
        match = _USER.fullmatch(text)
        if match is None:
            raise BadCursor(text, "is not a cursor of one user's log")
        return cls(match[1], int(match[2]))


@dataclass(frozen=True, slots=True)
class LogCursor:
    """A position in the whole log: ``<epoch>:r<revision>``. ``position`` is the last ``revision`` read, 0 for none."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}:r{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor back.

        Raises:
            BadCursor: the text is not a cursor, or is a cursor of a single user.

        """
        match = _LOG.fullmatch(text)
        if match is None:
            raise BadCursor(text, "is not a cursor of the whole log")
        return cls(match[1], int(match[2]))


Cursor = UserCursor | LogCursor
