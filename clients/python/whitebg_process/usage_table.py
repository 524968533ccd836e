"""The usage of users as rows, for JSON and CSV: the same columns in the command line and over HTTP."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import IO, Any

from whitebg_process.csv_cells import text_cell

ENGINES = ("local", "neural", "gemini")
COLUMNS = (
    "day",
    "user_id",
    "photos",
    "results",
    *(f"{engine}_seconds" for engine in ENGINES),
    "gemini_calls",
    "gemini_input_tokens",
    "gemini_output_tokens",
    "bytes_in",
    "bytes_out",
)


def usage_row(used: Any) -> dict[str, Any]:
    """Return the columns of a `whitebg.v1.DayUsage`; times are in seconds."""
    row: dict[str, Any] = {f"{engine}_seconds": 0.0 for engine in ENGINES}
    for each in used.engine_times:
        engines = each.DESCRIPTOR.fields_by_name["engine"].enum_type.values_by_number
        name = engines[each.engine].name.removeprefix("ENGINE_").lower()
        row[f"{name}_seconds"] = round(each.time.ToTimedelta().total_seconds(), 3)
    return {name: row[name] if name in row else getattr(used, name) for name in COLUMNS}


def write_csv(entries: Iterable[Any], file: IO[str], *, header: bool = True) -> None:
    """Write messages `whitebg.v1.DayUsage` as CSV.

    A user's name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    writer = csv.DictWriter(file, COLUMNS)
    if header:
        writer.writeheader()
    for each in entries:
        row = usage_row(each)
        writer.writerow(row | {"user_id": text_cell(row["user_id"])})
