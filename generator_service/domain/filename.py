"""File names that fit a file system."""

from __future__ import annotations

MAX_FILENAME_BYTES = 200
"""In UTF-8; file systems take 255, and results add a suffix such as ``-white.jpeg``."""
_LONGEST_EXTENSION = 16


def shortened(name: str, limit: int = MAX_FILENAME_BYTES) -> str:
    """Shorten a name to at most ``limit`` bytes of UTF-8, whole characters only; its extension is kept."""
    if len(name.encode(errors="replace")) <= limit:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = (dot + extension).encode(errors="replace")
    if not stem or len(ending) > _LONGEST_EXTENSION:
        stem, ending = name, b""
    head = stem.encode(errors="replace")[: limit - len(ending)]
    return (head.decode(errors="ignore").rstrip() + ending.decode()).strip()
