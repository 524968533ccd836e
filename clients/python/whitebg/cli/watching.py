"""`whitebg watch`, `list`, `cancel` and `download`: what is shown of tasks that are there already."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from whitebg import errors, models
from whitebg.cli.connection import Connection, connected
from whitebg.cli.saving import save_result

MAX_ROWS = 20
"""Tasks in the live table: the ones with the latest news."""


def to_json(value: Any) -> str:
    """Return a model as one line of JSON: times in RFC 3339, durations in seconds."""

    def plain(part: object) -> object:
        if isinstance(part, datetime):
            return part.isoformat()
        if isinstance(part, timedelta):
            return part.total_seconds()
        raise TypeError(f"{type(part).__name__} has no JSON form")

    return json.dumps(dataclasses.asdict(value), default=plain, ensure_ascii=False)


class WatchTable:
    """The latest tasks and where they stand."""

    def __init__(self) -> None:
        self._tasks: dict[int, models.Task] = {}

    def take(self, update: models.WatchUpdate) -> None:
        """Let an update change the table."""
        match update:
            case models.SnapshotBegin():
                self._tasks.clear()
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


def task_table(tasks: list[models.Task]) -> Table:
    """Return a table of tasks."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", justify="right")
    for column in ("state", "%", "stage", "photo", "user", "submitted", "note"):
        table.add_column(column, overflow="fold")
    for task in tasks:
        note = task.error.code if task.error else f"{len(task.result.warnings)} warnings" if task.result else ""
        table.add_row(
            str(task.task_id),
            Text(task.state),
            str(task.progress),
            Text(task.stage),
            Text(task.input.filename),
            Text(task.user_id),
            f"{task.created_at.astimezone():%m-%d %H:%M:%S}",
            Text(note),
        )
    return table


def line(update: models.WatchUpdate) -> str:
    """Return an update as a line for a log; empty where it says nothing to a person."""
    match update:
        case models.TaskEvent(task=task):
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
    cursor, table, notes = since or "", WatchTable(), Console(stderr=True, highlight=False)

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
                            console.file.write(f'{{"kind": "{kind}", {to_json(update)[1:]}\n')
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
    connection: Connection, *, states: list[models.TaskState], limit: int, as_json: bool, console: Console
) -> None:
    """Show the newest tasks."""
    tasks: list[models.Task] = []
    async with (
        connected(connection) as client,
        aclosing(client.list_tasks(states=states, page_size=min(limit, 500))) as found,
    ):
        async for task in found:
            tasks.append(task)
            if len(tasks) >= limit:
                break
    if as_json:
        for task in tasks:
            console.file.write(to_json(task) + "\n")
    elif tasks:
        console.print(task_table(tasks))
    else:
        console.print("no tasks")


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


async def download(connection: Connection, task_ids: list[int], *, out: Path, force: bool, console: Console) -> bool:
    """Save the results of tasks, each on its own and waited for; return whether all could be."""
    fine = True
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    async with connected(connection) as client:
        for task_id in task_ids:
            try:
                task = (await client.wait(task_id)).raise_for_state()
                stem = Path(task.input.filename).stem or str(task_id)
                path = await save_result(client, task, out, stem, force=force)
                console.print(Text(str(path)), soft_wrap=True)
            except (errors.NotFound, errors.TaskFailed, errors.DownloadFailed) as error:
                fine = False
                console.print(Text(error.message, style="red"), soft_wrap=True)
    return fine
