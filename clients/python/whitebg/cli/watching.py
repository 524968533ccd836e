"""`whitebg watch`, `list`, `cancel`, `delete` and `download`: commands for existing tasks."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from whitebg import errors, models
from whitebg.cli import output
from whitebg.cli.connection import Connection, connected
from whitebg.cli.naming import result_file
from whitebg.cli.saving import OutputNames, save_result
from whitebg_process.result_files import REPORT_NAME, NamePattern, report_text

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


_DECIDED = {
    models.Review.ACCEPTED: "accepted",
    models.Review.REJECTED: "rejected",
    models.Review.OPEN: "not decided",
}


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
                    remaining = update.estimated_remaining
                    self._put(
                        dataclasses.replace(
                            known, progress=update.progress, stage=update.stage, estimated_remaining=remaining
                        )
                    )

    def _put(self, task: models.Task) -> None:
        self._tasks.pop(task.task_id, None)
        self._tasks[task.task_id] = task
        while len(self._tasks) > MAX_ROWS:
            self._tasks.pop(next(iter(self._tasks)))

    def render(self) -> Table:
        """Return the table as it stands."""
        return task_table([self._tasks[key] for key in sorted(self._tasks, reverse=True)])


def _findings_note(result: models.ResultInfo | None) -> str:
    count = 0 if result is None else len(result.findings)
    return "" if count == 0 else f"{count} finding{'s' if count > 1 else ''}"


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
            return f"{update.updated_at.isoformat()} task {update.task_id} {update.progress} % {update.stage}"
        case models.SnapshotTask(task=task):
            return f"{task.updated_at.isoformat()} task {task.task_id} is {task.state} ({task.user_id})"
        case models.SnapshotBegin():
            return f"tasks as they stand ({update.reason}):"
    return ""


async def watch(connection: Connection, *, since: str | None, all_users: bool, as_json: bool, console: Console) -> None:
    """Show what happens until interrupted, then print the cursor to resume from."""
    cursor, table, notes = since or "", WatchTable(), output.console(stderr=True)

    def broken(error: errors.WhitebgError, delay: float) -> None:
        notes.print(Text(f"connection lost, trying again in {delay:.1f} s: {error.message}"), soft_wrap=True)

    live = Live(table.render(), console=console) if console.is_terminal and not as_json else None
    try:
        async with connected(connection) as client:
            updates = client.watch(since, snapshot=True, all_users=all_users, on_retry=broken)
            with live or contextlib.nullcontext():
                async with aclosing(updates):
                    async for update in updates:
                        cursor = update.cursor or cursor
                        if as_json:
                            kind = type(update).__name__
                            console.file.write(f'{{"kind": "{kind}", {model_to_json(update, console.file)[1:]}\n')
                            console.file.flush()
                        elif live is not None:
                            table.take(update)
                            live.update(table.render())
                        elif text := line(update):
                            console.print(Text(text), soft_wrap=True)
    finally:
        if cursor:
            notes.print(Text(f"resume with --since {cursor}"), soft_wrap=True)


async def list_tasks(
    connection: Connection,
    *,
    states: list[models.TaskState],
    batch_id: str | None,
    review: models.Review | None,
    limit: int,
    as_json: bool,
    console: Console,
) -> None:
    """Show the newest tasks."""
    tasks: list[models.Task] = []
    async with (
        connected(connection) as client,
        aclosing(
            client.list_tasks(states=states, batch_id=batch_id, review=review, page_size=min(limit, 500))
        ) as found,
    ):
        async for task in found:
            tasks.append(task)
            if len(tasks) >= limit:
                break
    if as_json:
        for task in tasks:
            console.file.write(model_to_json(task, console.file) + "\n")
    elif tasks:
        console.print(task_table(tasks))
    else:
        console.print("no tasks")


async def review(connection: Connection, task_ids: list[int], decision: models.Review, console: Console) -> bool:
    """Record a decision on results; return whether all have it."""
    async with connected(connection) as client:
        done = await client.review(task_ids, decision)
    count = len(done.task_ids)
    console.print(f"{count} {'picture' if count == 1 else 'pictures'} {_DECIDED[decision]}")
    for task_id in done.unfinished:
        console.print(Text(f"task {task_id} has no picture", style="red"))
    for task_id in done.missing:
        console.print(Text(f"task {task_id} does not exist", style="red"))
    return not (done.unfinished or done.missing)


async def cancel(connection: Connection, task_ids: list[int], console: Console) -> bool:
    """Cancel tasks, each on its own; return whether all could be."""
    fine = True
    async with connected(connection) as client:
        for task_id in task_ids:
            try:
                task = await client.cancel(task_id)
                console.print(f"task {task.task_id} is {task.state}")
            except (errors.NotFound, errors.WrongState) as error:
                fine = False
                console.print(Text(error.message, style="red"), soft_wrap=True)
    return fine


async def cancel_batch(connection: Connection, batch_id: str, console: Console) -> None:
    """Cancel the tasks of a batch."""
    async with connected(connection) as client:
        console.print(Text(batch_line(await client.cancel_batch(batch_id))), soft_wrap=True)


async def show_batch(connection: Connection, batch_id: str, *, as_json: bool, console: Console) -> None:
    """Show the progress of a batch."""
    async with connected(connection) as client:
        batch = await client.get_batch(batch_id)
    if as_json:
        console.file.write(model_to_json(batch, console.file) + "\n")
    else:
        console.print(Text(batch_line(batch)), soft_wrap=True)


async def delete(connection: Connection, task_ids: list[int], batch_id: str | None, console: Console) -> bool:
    """Delete tasks, those of a batch, or (neither) all that the user has; return whether all were there."""
    async with connected(connection) as client:
        if batch_id is not None:
            deleted = await client.delete_batch(batch_id)
        else:
            deleted = await (client.delete(task_ids) if task_ids else client.delete_all())
    count = len(deleted.task_ids)
    console.print("1 task deleted" if count == 1 else f"{count} tasks deleted")
    for task_id in deleted.missing:
        console.print(Text(f"task {task_id} does not exist", style="red"))
    return not deleted.missing


async def download(
    connection: Connection,
    task_ids: list[int],
    *,
    out: Path,
    kind: models.ImageKind = models.ImageKind.RESULT,
    pattern: NamePattern | None = None,
    report: bool = False,
    force: bool,
    console: Console,
) -> bool:
    """Save the results of tasks, or their masks, each on its own and waited for; return whether all could be.

    Without ``task_ids``, all that the owner has accepted, earliest first. With ``report``, write ``report.csv`` with
    the verdicts of those that were saved.
    """
    fine = True
    lines: list[tuple[str, ...]] = []
    names = OutputNames(out, force=force)
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    async with connected(connection) as client:
        if not task_ids:
            accepted = [task.task_id async for task in client.list_tasks(review=models.Review.ACCEPTED, page_size=500)]
            task_ids = accepted[::-1]
        for number, task_id in enumerate(task_ids, 1):
            try:
                task = (await client.wait(task_id)).raise_for_state()
                saved = result_file(task)
                stem = Path(pattern.path(saved, number)) if pattern else Path(task.input.filename).stem or str(task_id)
                path = await save_result(client, task, names, stem, kind)
                lines.append(saved.report_line(PurePosixPath(path.relative_to(out).as_posix())))
                console.print(Text(str(path)), soft_wrap=True)
            except (errors.NotFound, errors.TaskFailed, errors.DownloadFailed) as error:
                fine = False
                console.print(Text(error.message, style="red"), soft_wrap=True)
    if report:
        file = out / REPORT_NAME
        await asyncio.to_thread(file.write_text, report_text(lines), encoding="utf-8", newline="")
        console.print(Text(str(file)), soft_wrap=True)
    return fine
