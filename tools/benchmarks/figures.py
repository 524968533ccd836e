"""What a benchmark measured, and how it is shown, saved and compared."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benchmarks.losses import losses_of

OURS = "whitebg"
"""What the names of our own systems begin with."""
WORSE = 1.25
"""From this factor on, a ratio to a peer counts as a regression."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one system: a sample for each round."""

    what: str
    unit: str
    system: str
    samples: Sequence[float]
    more_is_better: bool = False
    durability: str = ""
    """When acknowledged work survives a power cut; empty where nothing is stored."""

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.samples)

    @property
    def ours(self) -> bool:
        """Whether the system is ours."""
        return self.system.startswith(OURS)


@dataclass
class Samples:
    """Gathers figures, round after round."""

    figures: dict[tuple[str, str], Figure] = field(default_factory=dict)

    def add(self, value: float, *, what: str, system: str, **others: Any) -> None:
        """Add the sample of one round."""
        known = self.figures.get((what, system))
        samples = [*([] if known is None else known.samples), value]
        self.figures[what, system] = Figure(what=what, system=system, samples=samples, **others)

    @property
    def sorted(self) -> list[Figure]:
        """All figures, those of one kind together."""
        order = {what: number for number, what in enumerate(dict.fromkeys(what for what, _ in self.figures))}
        return sorted(self.figures.values(), key=lambda figure: order[figure.what])


def ratios(figures: Sequence[Figure]) -> dict[str, float]:
    """Return, for each figure of ours and each peer of it, how many times better ours is."""
    found = {}
    for ours in (figure for figure in figures if figure.ours):
        for peer in (figure for figure in figures if figure.what == ours.what and not figure.ours):
            ratio = ours.median / peer.median if ours.more_is_better else peer.median / ours.median
            found[f"{ours.what}: {ours.system} / {peer.system}"] = round(ratio, 3)
    return found


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def show(figures: Sequence[Figure], before: dict[str, Any]) -> None:
    """Print the table and, as the last line, one JSON object."""
    console = Console(width=140)
    after = machine()
    console.print(f"{after['cores']} cores, {after['cpu']}; load {before['load']} before, {after['load']} after")
    table = Table()
    for column in ("what", "system", "median", "least – most", "rounds", "stored"):
        table.add_column(column, justify="right" if column in {"median", "least – most", "rounds"} else "left")
    last = ""
    for figure in figures:
        if figure.what != last:
            table.add_section()
        table.add_row(
            figure.what if figure.what != last else "",
            figure.system,
            f"{figure.median:,.2f} {figure.unit}",
            f"{min(figure.samples):,.2f} – {max(figure.samples):,.2f}",
            str(len(figure.samples)),
            figure.durability,
            style="bold" if figure.ours else "",
        )
        last = figure.what
    console.print(table)
    console.print(_losses(figures))
    print(json.dumps(summary(figures, before), ensure_ascii=False))


def _losses(figures: Sequence[Figure]) -> Table:
    """Return the table of what the systems lose."""
    table = Table()
    for column in ("system", "loses when killed", "after an hour away", "past its window"):
        table.add_column(column)
    for system in dict.fromkeys(figure.system for figure in figures):
        if (lost := losses_of(system)) is not None:
            table.add_row(system, lost.killed, lost.away, lost.past_window)
    return table


def summary(figures: Sequence[Figure], before: dict[str, Any]) -> dict[str, Any]:
    """Return all figures with the machine's facts, as they are saved."""
    medians = [
        {
            "what": figure.what,
            "system": figure.system,
            "unit": figure.unit,
            "median": round(figure.median, 3),
            "samples": [round(sample, 3) for sample in figure.samples],
            "durability": figure.durability,
            "loses": None if (lost := losses_of(figure.system)) is None else asdict(lost),
        }
        for figure in figures
    ]
    return {"machine": before, "load_after": machine()["load"], "ratios": ratios(figures), "figures": medians}


def compare(figures: Sequence[Figure], saved: Path) -> bool:
    """Print the ratios to peers that have become worse than those of a saved run; return whether there is none."""
    earlier: dict[str, float] = json.loads(saved.read_text())["ratios"]
    now = ratios(figures)
    worse = {name: ratio for name, ratio in now.items() if name in earlier and earlier[name] > ratio * WORSE}
    for name, ratio in worse.items():
        print(f"worse: {name} was {earlier[name]:g}, is {ratio:g}", file=sys.stderr)
    return not worse
