"""The printed tables."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from tools.quality.scores import GOOD_IOU, Confusion, Summary

HEADERS = {
    "n": "n",
    "iou_mean": "IoU mean",
    "iou_median": "median",
    "share_good": f"≥ {GOOD_IOU}",
    "worst_tenth": "worst tenth",
    "mae": "MAE",
    "trusted": "trusted",
    "trusted_right": "of those right",
    "silent_failures": "silent failures",
    "s_per_mp": "CPU s/MP",
    "peak_mib": "peak MiB",
}


def summary_table(title: str, groups: Mapping[str, Summary], totals: Mapping[str, Summary]) -> Table:
    """Return a table with a line for each group and, below, for each total."""
    table = Table(title=title, title_justify="left")
    table.add_column("photos")
    for header in HEADERS.values():
        table.add_column(header, justify="right")
    for part in (groups, totals):
        for name, figures in part.items():
            table.add_row(name, *(_figure(figures[key]) for key in HEADERS))
        table.add_section()
    return table


def confusion_table(title: str, judged: Mapping[str, Confusion], columns: tuple[str, str, str, str]) -> Table:
    """Return a table of confusion counts; ``columns`` name the counts in the order of `Confusion`."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for header in (*columns, "correct"):
        table.add_column(header, justify="right")
    for name, counts in judged.items():
        numbers = (counts.hits, counts.misses, counts.false_alarms, counts.passes)
        table.add_row(name, *map(str, numbers), _figure(counts.correct))
    return table


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{round(figure, 3):g}"
