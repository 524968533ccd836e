"""From arguments to photos."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".heic", ".heif", ".avif"}
)
"""Suffixes of files that are read from a folder; a file named explicitly may have any suffix."""


class NoPhotos(ValueError):
    """An argument stands for no photo at all."""

    def __init__(self, argument: str, why: str) -> None:
        super().__init__(why)
        self.argument = argument


def expand(arguments: Iterable[str]) -> Iterator[Path | NoPhotos]:
    """Yield each photo that the arguments stand for, once, in order: files, folders (one level), and globs.

    An argument without any photo yields a `NoPhotos` with the reason; the others are still processed.
    """
    seen: set[Path] = set()
    for argument in arguments:
        found: list[Path] | NoPhotos
        try:
            found = _expand_one(argument)
        except (OSError, RuntimeError) as error:  # RuntimeError: `~name` of a user who does not exist.
            found = NoPhotos(argument, getattr(error, "strerror", None) or str(error))
        if isinstance(found, NoPhotos):
            yield found
            continue
        for path in found:
            if (real := path.resolve()) not in seen:
                seen.add(real)
                yield path


def _expand_one(argument: str) -> list[Path] | NoPhotos:
    path = Path(argument).expanduser()
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
        return inside or NoPhotos(argument, f"no photos in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
    if path.is_file():
        return [path]
    if glob.has_magic(argument):
        matches = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())  # noqa: PTH207 - takes absolute patterns too
        return matches or NoPhotos(argument, "nothing matches this pattern")
    if argument == "-":
        return NoPhotos(argument, "standard input is not read; save the photo as a file, and name that")
    return NoPhotos(argument, "this is no ordinary file; copy the photo to one" if path.exists() else "no such file")
