"""The HTTP ``Range`` header for one range of bytes (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Sizes of more digits than these are past the end of anything.
_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class Unsatisfiable(Exception):
    """The range lies past the end."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Part of something, from ``start`` for ``length`` bytes; ``length`` is at least 1."""

    start: int
    length: int

    @property
    def last(self) -> int:
        """The last byte's offset, inclusive."""
        return self.start + self.length - 1


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the range asked for; None if the whole is to be sent: no range, several, or one that is malformed.

    Raises:
        Unsatisfiable: the range begins past the end.

    """
    match = None if header is None else _RANGE.fullmatch(header)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size - 1
        if int(match[2]) == 0:
            raise Unsatisfiable
    else:
        start, end = int(match[1]), min(size - 1, int(match[2] or size - 1))
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, end - start + 1)
