"""How a batch is shown: live bars on a terminal, a line per event elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from whitebg.cli.batch import Outcome, Reporter
from whitebg.cli.output import to_json
from whitebg.errors import WhitebgError
from whitebg.models import ResultInfo, ResultVerdict, Verdict
from whitebg_process.printable import one_line

MAX_BARS = 12
"""Photos shown at a time, and the total above them."""
MIN_PIPE_WIDTH = 400
"""Columns of a table that goes to a file or a pipe."""


class JsonReporter:
    """One JSON line per photo, when it is done with."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream

    def begin(self, photos: list[str]) -> None:
        """Print nothing."""

    def uploading(self, key: int) -> None:
        """Print nothing."""

    def waiting(self, key: int, why: str) -> None:
        """Print nothing."""

    def progress(self, key: int, task_id: int, percent: int, stage: str, remaining: float | None) -> None:
        """Print nothing."""

    def connection(self, error: WhitebgError, delay: float) -> None:
        """Print nothing."""

    def finished(self, key: int, outcome: Outcome) -> None:  # noqa: ARG002 - the line names the photo itself
        """Print the line."""
        print(to_json(outcome_json(outcome), self._stream), file=self._stream, flush=True)


class LineReporter:
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._photos: list[str] = []
        self._stages: dict[int, str] = {}

    def _say(self, key: int, text: str) -> None:
        self._console.print(Text(one_line(f"{self._photos[key]}: {text}")), soft_wrap=True)

    def begin(self, photos: list[str]) -> None:
        """Remember the names."""
        self._photos = photos

    def uploading(self, key: int) -> None:
        """Print that a photo is on its way."""
        self._say(key, "uploading")

    def waiting(self, key: int, why: str) -> None:
        """Print what a photo waits for."""
        self._say(key, why)

    def progress(self, key: int, task_id: int, percent: int, stage: str, remaining: float | None) -> None:
        """Print a new stage; percents between would be noise."""
        if self._stages.get(key) != stage:
            self._stages[key] = stage
            eta = f", about {remaining:.0f} s left" if remaining is not None else ""
            self._say(key, f"task {task_id}, {percent} %, {stage}{eta}")

    def finished(self, key: int, outcome: Outcome) -> None:
        """Print the end."""
        self._say(key, f"saved as {outcome.saved}" if outcome.ok else f"failed: {outcome.problem}")

    def connection(self, error: WhitebgError, delay: float) -> None:
        """Print that the line broke."""
        self._console.print(Text(f"connection lost, trying again in {delay:.1f} s: {error.message}"), soft_wrap=True)


class LiveReporter:
    """Bars that move: one per photo that is being worked on, and the total."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )
        self._photos: list[str] = []
        self._bars: dict[int, TaskID] = {}
        self._total: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, photos: list[str]) -> None:
        """Show the total."""
        self._photos = photos
        self._total = self._progress.add_task("all photos", total=len(photos), note=f"0 of {len(photos)}")

    def _update(self, key: int, note: str, percent: int | None = None) -> None:
        if key not in self._bars:
            if len(self._bars) >= MAX_BARS:
                return
            name = one_line(self._photos[key])
            short = name if len(name) <= 30 else f"{name[:14]}…{name[-15:]}"
            self._bars[key] = self._progress.add_task(short, total=100, note="")
        self._progress.update(self._bars[key], completed=percent, note=note)

    def uploading(self, key: int) -> None:
        """Show that a photo is on its way."""
        self._update(key, "uploading")

    def waiting(self, key: int, why: str) -> None:
        """Show what a photo waits for."""
        self._update(key, why)

    def progress(self, key: int, task_id: int, percent: int, stage: str, remaining: float | None) -> None:  # noqa: ARG002 - a bar has no room for the id
        """Move the bar."""
        self._update(key, f"{stage}, ~{remaining:.0f} s left" if remaining is not None else stage, percent)

    def finished(self, key: int, outcome: Outcome) -> None:  # noqa: ARG002 - the summary says it
        """Give the photo's row to another one."""
        bar = self._bars.pop(key, None)
        if bar is not None:
            self._progress.remove_task(bar)
        if self._total is not None:
            self._progress.advance(self._total)
            done = int(self._progress.tasks[0].completed)
            self._progress.update(self._total, note=f"{done} of {len(self._photos)}")

    def connection(self, error: WhitebgError, delay: float) -> None:
        """Report that the connection was lost."""
        self._progress.console.print(Text(f"connection lost, trying again in {delay:.1f} s: {error.message}"))


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome for `--json`."""
    task = outcome.task
    result = task.result if task else None
    return {
        "photo": outcome.photo,
        "ok": outcome.ok,
        "task_id": task.task_id if task else None,
        "state": task.state if task else None,
        "result": str(outcome.saved) if outcome.saved else None,
        "seconds": round(task.elapsed.total_seconds(), 3) if task else None,
        "engine": result.engine if result else None,
        "confidence": result.confidence if result else None,
        "warnings": list(result.warnings) if result else [],
        "findings": [asdict(each) for each in result.findings] if result else [],
        "verdict": result.verdict if result else None,
        "verdict_reasons": list(result.verdict_reasons) if result else [],
        "placement": asdict(result.placement) if result and result.placement else None,
        "report": asdict(result.report) if result and result.report else None,
        "problem": outcome.problem or None,
    }


def print_summary(console: Console, outcomes: list[Outcome]) -> None:
    """Print the table that ends a batch, and below it what a person should look at."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("photo", overflow="fold")
    for column in ("seconds", "confidence"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    table.add_column("result", overflow="fold")
    notes: list[Text] = []
    for outcome in outcomes:
        result, photo = outcome.task.result if outcome.task else None, one_line(outcome.photo)
        table.add_row(
            Text(photo),
            f"{outcome.task.elapsed.total_seconds():.1f}" if outcome.task else "",
            f"{result.confidence:.2f}" if result and result.confidence is not None else "",
            _verdict(result),
            Text(one_line(str(outcome.saved)), style="green") if outcome.ok else Text("failed", style="red"),
        )
        if not outcome.ok:
            notes.append(Text(one_line(f"{photo}: {outcome.problem}"), style="red"))
        notes += [Text(f"{photo}: {warning}", style="yellow") for warning in (result.warnings if result else ())]
        for check in result.report.checks if result and result.report else ():
            if check.verdict is not Verdict.PASSED:
                style = "red" if check.verdict is Verdict.FAILED else "yellow"
                notes.append(Text(f"{photo}: {check.name}: {check.message}", style=style))
    # In a pipe, a path must stay on one line.
    console.print(table, width=None if console.is_terminal else max(console.width, MIN_PIPE_WIDTH), crop=False)
    for note in notes:
        console.print(note, soft_wrap=True)


_VERDICT_STYLES = {ResultVerdict.READY: "green", ResultVerdict.NEEDS_REVIEW: "yellow", ResultVerdict.FAILED: "red"}


def _verdict(result: ResultInfo | None) -> Text:
    if result is None or result.verdict is ResultVerdict.UNKNOWN:
        return Text("")
    return Text(result.verdict.replace("_", " "), style=_VERDICT_STYLES[result.verdict])


def reporter_for(console: Console, *, as_json: bool) -> Reporter:
    """Return what fits where the output goes."""
    if as_json:
        return JsonReporter()
    return LiveReporter(console) if console.is_terminal else LineReporter(console)
