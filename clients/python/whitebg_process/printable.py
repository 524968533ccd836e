"""Text without control characters."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL and C1, and what changes a line's direction or breaks it: all of them could make a
# terminal show something else than the text, or do something else than show it.
CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_BREAKING = re.compile(f"[{CONTROL}\t\n]")
_STRIPPED = re.compile(f"[{CONTROL}]")


def printable(text: str) -> str:
    """Return ``text`` without control characters, but with its tabs and newlines."""
    return _STRIPPED.sub("", text)


def one_line(text: str) -> str:
    """Return ``text``, such as one with a file's name, in one line: control characters and line ends as escapes."""
    return _BREAKING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
