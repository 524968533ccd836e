"""The photos to measure, as their manifest lists them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a manifest."""

    photo: Path
    mask: Path | None
    kind: str
    findings: tuple[str, ...] = ()
    """Codes of findings that a result should carry, however good it is."""


def read_manifest(folder: Path) -> list[Entry]:
    """Read ``manifest.csv``.

    Raises:
        SystemExit: it is missing, or lacks a column.

    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SystemExit(f"{manifest} does not exist; it should list the photos in columns file, mask and kind")
    with manifest.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if missing := {"file", "mask", "kind"} - set(reader.fieldnames or ()):
            raise SystemExit(f"{manifest} lacks the column {', '.join(sorted(missing))}")
        return [
            Entry(
                photo=folder / row["file"],
                mask=folder / row["mask"] if row["mask"] else None,
                kind=row["kind"],
                findings=tuple((row.get("findings") or "").split()),
            )
            for row in reader
        ]
