"""Tasks, batches and the updates of a watch as tables, lines of text and JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import IO, Any

from rich.table import Table
from rich.text import Text

from whitebg import models
from whitebg.cli import output

MAX_ROWS = 20
"""Tasks in the live table: the most recently updated ones."""


def model_to_json(value: Any, stream: IO[str]) -> str:
    """Return a model as one line of JSON for ``stream``: times in RFC 3339, durations in seconds."""

    def plain(part: object) -> object:
        if isinstance(part, datetime):
            return part.isoformat()
        if isinstance(part, timedelta):
            return part.total_seconds()
        raise TypeError(f"{type(part).__name__} has no JSON form")

    return output.to_json(dataclasses.asdict(value), stream, plain)


class WatchTable:
    """The latest tasks and where they stand."""

    def __init__(self) -> None:
        self._tasks: dict[int, models.Task] = {}

    def take(self, update: models.WatchUpdate) -> None:
        """Let an update change the table."""
        match update:
            case models.SnapshotBegin():
                self._tasks.clear()
            case models.TaskEvent(type=models.EventType.DELETED, task=task):
                self._tasks.pop(task.task_id, None)
            case models.TaskEvent(task=task) | models.SnapshotTask(task=task):
                self._put(task)
            case models.TaskProgress():
                known = self._tasks.get(update.task_id)
                if known is not None and not known.state.terminal and update.attempt >= known.attempt:
                    changed = dataclasses.replace(
                        known,
                        progress=update.progress,
                        stage=update.stage,
                        estimated_remaining=update.estimated_remaining,
                        wait_reason=update.wait_reason,
                        run_at=update.run_at,
                    )
                    self._put(changed)

    def _put(self, task: models.Task) -> None:
        self._tasks.pop(task.task_id, None)
        self._tasks[task.task_id] = task
        while len(self._tasks) > MAX_ROWS:
            self._tasks.pop(next(iter(self._tasks)))

    def render(self) -> Table:
        """Return the table as it stands."""
        return task_table([self._tasks[key] for key in sorted(self._tasks, reverse=True)])


def task_table(tasks: list[models.Task]) -> Table:
    """Return a table of tasks."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", justify="right")
    for column in ("state", "%", "stage", "photo", "user", "submitted", "note"):
        table.add_column(column, overflow="fold")
    for task in tasks:
        note = task.error.code if task.error else _findings_note(task.result)
        table.add_row(
            str(task.task_id),
            Text(task.state),
            str(task.progress),
            Text(task.activity),
            Text(task.input.filename),
            Text(task.user_id),
            f"{task.created_at.astimezone():%m-%d %H:%M:%S}",
            Text(note),
        )
    return table


def _findings_note(result: models.ResultInfo | None) -> str:
    count = 0 if result is None else len(result.findings)
    return "" if count == 0 else f"{count} finding{'s' if count > 1 else ''}"


def batch_line(batch: models.Batch) -> str:
    """Return a batch as a line of text."""
    counts = {
        "completed": batch.completed,
        "failed": batch.failed,
        "timed out": batch.timed_out,
        "cancelled": batch.cancelled,
        "processing": batch.processing,
        "pending": batch.pending,
    }
    state = "finished" if batch.finished_at else "closed" if batch.closed else "open"
    detail = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"batch {batch.batch_id} is {state}: {batch.ended} of {batch.total} ended; {detail}"


def line(update: models.WatchUpdate) -> str:
    """Return an update as a log line; empty where it is of no interest to the user."""
    match update:
        case models.TaskEvent(task=task):
            if update.batch is not None:
                return f"{update.occurred_at.isoformat()} {batch_line(update.batch)} ({task.user_id})"
            if update.type is models.EventType.REVIEWED:
                return f"{update.occurred_at.isoformat()} task {task.task_id} review {task.review} ({task.user_id})"
            note = f": {task.error.message}" if task.error else ""
            return f"{update.occurred_at.isoformat()} task {task.task_id} {update.type} ({task.user_id}){note}"
        case models.TaskProgress():
            return f"{update.updated_at.isoformat()} task {update.task_id} {update.progress} % {update.activity}"
        case models.SnapshotTask(task=task):
            return f"{task.updated_at.isoformat()} task {task.task_id} is {task.state} ({task.user_id})"
        case models.SnapshotBegin():
            return f"tasks as they stand ({update.reason}):"
    return ""
