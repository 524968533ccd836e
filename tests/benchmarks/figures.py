"""What a benchmark measured, and how it is shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Latency:
    """How long something took, again and again; in milliseconds."""

    name: str
    samples: Sequence[float]
    target_p50: float | None = None

    @property
    def p50(self) -> float:
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.samples, n=100)[98]


@dataclass(frozen=True)
class Rate:
    """How many per second, beside a peer that does only the bare minimum; None where there is none."""

    name: str
    per_second: float
    peer: str = ""
    peer_per_second: float | None = None


def show(latencies: Sequence[Latency], rates: Sequence[Rate]) -> None:
    """Print both tables, and as the last line one JSON object."""
    console = Console()
    table = Table(title="latency, milliseconds")
    for column in ("what", "n", "p50", "p99", "target p50"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in latencies:
        target = "" if each.target_p50 is None else f"≤ {each.target_p50:g}"
        style = "" if each.target_p50 is None else "green" if each.p50 <= each.target_p50 else "bold red"
        table.add_row(each.name, str(len(each.samples)), f"{each.p50:.2f}", f"{each.p99:.2f}", target, style=style)
    console.print(table)
    table = Table(title="throughput, per second")
    for column in ("what", "rate", "peer", "peer's rate", "share"):
        table.add_column(column, justify="left" if column in {"what", "peer"} else "right")
    for rate in rates:
        peer = rate.peer_per_second
        table.add_row(
            rate.name,
            f"{rate.per_second:,.0f}",
            rate.peer,
            "" if peer is None else f"{peer:,.0f}",
            "" if peer is None else f"{rate.per_second / peer:.2f}",
        )
    console.print(table)
    summary = {
        "latency_ms": {each.name: {"p50": round(each.p50, 3), "p99": round(each.p99, 3)} for each in latencies},
        "per_second": {rate.name: round(rate.per_second) for rate in rates},
        "peers_per_second": {rate.peer: round(rate.peer_per_second) for rate in rates if rate.peer_per_second},
    }
    print(json.dumps(summary, ensure_ascii=False))
