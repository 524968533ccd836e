"""File names from a pattern, and the report of a download."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from whitebg import models
from whitebg.cli.output import printable
from whitebg.cli.problems import Problem

FIELDS = ("name", "sku", "market", "n")
_FIELD = re.compile(r"\{(\w*)\}")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
_FORMULA = ("=", "+", "-", "@", "\t")
"""Beginnings of a cell that spreadsheet programs run as a formula."""


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern of file names without extension; ``/`` separates folders.

    ``{name}`` is the photo's name, ``{sku}`` its part before the first space, ``_`` or ``-``, ``{market}`` the preset
    and ``{n}`` the number of the picture, from 001.
    """

    text: str

    def __post_init__(self) -> None:
        unknown = [name for name in _FIELD.findall(self.text) if name not in FIELDS]
        parts = PurePosixPath(self.text).parts
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise Problem(f"{{{unknown[0]}}} in the name {self.text!r} is not known", f"known are {known}")
        if not parts or PurePosixPath(self.text).is_absolute() or ".." in parts:
            raise Problem(f"the name {self.text!r} is no path below the folder", "leave out a leading / and ..")

    def path(self, task: models.Task, number: int) -> Path:
        """Return the relative path of a task's picture, without extension."""
        photo = Path(task.input.filename).stem or str(task.task_id)
        sku = re.split(r"[\s_-]", photo, maxsplit=1)[0] or photo
        values = {"name": photo, "sku": sku, "market": task.options.preset or "custom", "n": f"{number:03}"}
        parts = []
        for part in PurePosixPath(self.text).parts:
            filled = _FORBIDDEN.sub("_", printable(_FIELD.sub(lambda match: values[match[1]], part))).strip()
            # A photo may be named "..", too.
            parts.append(filled if filled.strip(".") else "photo")
        return Path(*parts)


REPORT_HEAD = ("file", "task", "photo", "market", "verdict", "reasons", "width", "height", "bytes")


def report_line(path: Path, task: models.Task) -> tuple[str, ...]:
    """Return the line of one picture."""
    market, photo = task.options.preset or "custom", printable(task.input.filename)
    if task.result is None:
        return (path.as_posix(), str(task.task_id), photo, market, "", "", "", "", "")
    result = task.result
    return (
        path.as_posix(),
        str(task.task_id),
        photo,
        market,
        result.verdict.name.lower(),
        " ".join(result.verdict_reasons),
        str(result.width),
        str(result.height),
        str(result.size_bytes),
    )


def write_report(path: Path, lines: Sequence[tuple[str, ...]]) -> None:
    """Write the lines as a table, with a byte order mark, by which spreadsheet programs recognise UTF-8.

    Raises:
        OSError: it can't be written.

    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REPORT_HEAD)
        writer.writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in line] for line in lines)
