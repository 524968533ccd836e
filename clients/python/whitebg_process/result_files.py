"""Names of downloaded results from a pattern, and the report beside them: the same for folders and archives."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath, PurePosixPath
from typing import TypeVar

from whitebg_process.csv_cells import text_cell
from whitebg_process.printable import printable

FIELDS = ("name", "sku", "market", "n")
REPORT_NAME = "report.csv"
REPORT_HEAD = (
    "file",
    "task",
    "photo",
    "market",
    "verdict",
    "reasons",
    "review",
    "width",
    "height",
    "bytes",
    "problem",
)
MAX_NAME_BYTES = 255
"""Longest file name that the common file systems take."""
_Path = TypeVar("_Path", bound=PurePath)
_EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
_FIELD = re.compile(r"\{(\w*)\}")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """A result, as far as its file's name and its line of the report need it."""

    task_id: int
    photo: str = ""
    """The photo's file name."""
    market: str = ""
    content_type: str = ""
    """MIME type of the result; empty if there is none."""
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    review: str = ""
    width: int = 0
    height: int = 0
    size_bytes: int = 0

    def report_line(self, path: PurePosixPath | None, problem: str = "") -> tuple[str, ...]:
        """Return its line of the report; ``path`` None: it was not saved, because of ``problem``."""
        facts = self.verdict, " ".join(self.reasons), self.review
        sizes = (str(size) if size else "" for size in (self.width, self.height, self.size_bytes))
        photo, market = printable(self.photo), self.market or "custom"
        return (str(path or ""), str(self.task_id), photo, market, *facts, *sizes, problem)


class UnusablePattern(ValueError):
    """A pattern of names that can't be used, and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern of file names without extension; ``/`` separates folders.

    ``{name}`` is the photo's name, ``{sku}`` its part before the first space, ``_`` or ``-``, ``{market}`` the preset
    and ``{n}`` the number of the picture, from 001.

    Raises:
        UnusablePattern: a field is unknown, or the name is no path below the folder.

    """

    text: str

    def __post_init__(self) -> None:
        unknown = [name for name in _FIELD.findall(self.text) if name not in FIELDS]
        parts = PurePosixPath(self.text).parts
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise UnusablePattern(f"{{{unknown[0]}}} in the name {self.text!r} is not known", f"known are {known}")
        if not parts or PurePosixPath(self.text).is_absolute() or ".." in parts:
            raise UnusablePattern(f"the name {self.text!r} is no path below the folder", "leave out a leading / and ..")

    def path(self, result: ResultFile, number: int) -> PurePosixPath:
        """Return the relative path of a result's file, without extension."""
        photo = PurePosixPath(result.photo).stem or str(result.task_id)
        sku = re.split(r"[\s_-]", photo, maxsplit=1)[0] or photo
        values = {"name": photo, "sku": sku, "market": result.market or "custom", "n": f"{number:03}"}
        parts = []
        for part in PurePosixPath(self.text).parts:
            filled = _FORBIDDEN.sub("_", printable(_FIELD.sub(lambda match: values[match[1]], part))).strip()
            # A photo may be named "..", too.
            # Longer names are shortened to so many bytes later, and a character takes at least one.
            parts.append(filled[:MAX_NAME_BYTES] if filled.strip(".") else "photo")
        return PurePosixPath(*parts)


class FreeNames:
    """The first free name of each file, numbered ``-2``, ``-3`` … where it is taken.

    A name that was tried is not tried again: a thousand equal files take about a thousand tries.
    """

    def __init__(self) -> None:
        self._tried: dict[tuple[str, str, int], int] = {}
        """How many numbers were tried, by path without number, end of the name, and digits of the numbers.

        Stems that are shortened alike have the same names for all numbers of as many digits.
        """

    def first(self, folder: _Path, stem: str, suffix: str, content_type: str, take: Callable[[_Path], bool]) -> _Path:
        """Return the first path in ``folder`` that ``take`` accepts. The stem is shortened to what file systems take.

        Names that ``take`` accepted or refused must stay taken. Its errors are raised.
        """
        extension = _EXTENSIONS.get(content_type, ".img")
        for digits in count():
            numbers = range(max(2, 10 ** (digits - 1)), 10**digits) if digits else range(1, 2)
            length = len(suffix) + len(extension) + (digits + len("-") if digits else 0)
            short = _shorten(stem, MAX_NAME_BYTES - length)
            key = (f"{folder}/{short}".casefold(), f"{suffix}{extension}", digits)
            for tried in range(self._tried.get(key, 0), len(numbers)):
                end = f"{suffix}-{numbers[tried]}{extension}" if digits else f"{suffix}{extension}"
                taken = take(path := folder / f"{short}{end}")
                self._tried[key] = tried + 1
                if taken:
                    return path
        raise AssertionError("there is always another number")


class ArchiveNames:
    """Free names in an archive. Names that differ in case are the same, as on some file systems."""

    def __init__(self) -> None:
        self._taken = {REPORT_NAME}
        self._names = FreeNames()

    def reserve(self, path: PurePosixPath, content_type: str) -> PurePosixPath:
        """Return a free path for one without extension; folders are shortened to what file systems take."""
        folder = PurePosixPath(*(_shorten(part, MAX_NAME_BYTES) for part in path.parent.parts))
        return self._names.first(folder, path.name, "", content_type, self._take)

    def _take(self, path: PurePosixPath) -> bool:
        key = str(path).casefold()
        free = key not in self._taken
        self._taken.add(key)
        return free


def report_text(lines: Iterable[tuple[str, ...]]) -> str:
    """Return the report as CSV, with a byte order mark, by which spreadsheet programs recognise UTF-8."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow(REPORT_HEAD)
    writer.writerows(map(text_cell, line) for line in lines)
    return text.getvalue()


def _shorten(stem: str, length: int) -> str:
    """Return the part of ``stem`` that takes at most ``length`` bytes as a file name."""
    encoded = os.fsencode(stem[: length + 1])
    if len(encoded) <= length:
        return stem
    short = os.fsdecode(encoded[:length])
    while not stem.startswith(short):  # At most three bytes of a character that was cut.
        short = short[:-1]
    return short
