"""`whitebg admin tasks`, `inspect`, `cancel`, `requeue` and `priority`: the tasks of all users."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson, Yes
from whitebg.cli.operator import Engine, confirm, duration, engine_number, print_json, run
from whitebg.cli.problems import Problem
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.wire import Wire

app = typer.Typer()

States = Annotated[list[str] | None, typer.Option("--state", metavar="STATE", help="Only this state; may be repeated.")]
Owner = Annotated[str | None, typer.Option("--of", metavar="USER", help="Only tasks of this user.")]
Codes = Annotated[
    list[str] | None, typer.Option("--code", metavar="CODE", help="Only tasks with this error code; may be repeated.")
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Created since: RFC 3339, or a duration before now such as 2h.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Created before: as --since.")]

_PAGE_SIZE = 500
"""Tasks in one response."""


@app.command()
def tasks(
    context: typer.Context,
    state: States = None,
    of: Owner = None,
    code: Codes = None,
    engine: Engine = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List tasks of all users, newest first."""
    wanted = _filter(state, of, code, since, until, engine)

    async def work(wire: Wire) -> None:
        found: list[task_pb2.Task] = []
        request = pb.FindTasksRequest(filter=wanted, page_size=min(_PAGE_SIZE, limit))
        async with aclosing(wire.pages(wire.admin_stub.FindTasks, request)) as pages:
            async for page in pages:
                found += page.tasks
                if len(found) >= limit:
                    break
                request.page_size = min(_PAGE_SIZE, limit - len(found))
        if as_json:
            for task in found:
                print_json(task)
            return
        table = Table("task", "user", "state", "priority", "created", "error", box=None)
        for task in found:
            created = f"{task.created_at.ToDatetime():%Y-%m-%d %H:%M:%S}"
            row = (str(task.task_id), task.user_id, _state_name(task.state), str(task.priority), created)
            table.add_row(*map(Text, row), Text(task.error.code))
        output.console().print(table)

    run(context, work)


@app.command()
def inspect(context: typer.Context, task_id: int) -> None:
    """Show a task of any user with its history, as JSON lines: the task, then its events, oldest first."""

    async def work(wire: Wire) -> None:
        found = await wire.call(wire.admin_stub.InspectTask, pb.InspectTaskRequest(task_id=task_id))
        for message in (found.task, *found.events):
            print_json(message)

    run(context, work)


@app.command()
def cancel(
    context: typer.Context,
    task_ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Task ids, or use a filter.")] = None,
    state: States = None,
    of: Owner = None,
    code: Codes = None,
    engine: Engine = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
) -> None:
    """Cancel tasks of any user: these, or all waiting and running ones that match the options."""
    wanted = _filter(state, of, code, since, until, engine)

    async def work(wire: Wire) -> None:
        if task_ids:
            done = await wire.call(wire.admin_stub.CancelTasks, pb.CancelTasksRequest(task_ids=task_ids))
            output.console().print(f"{done.cancelled} tasks cancelled")
            if done.skipped_task_ids:
                skipped = ", ".join(map(str, done.skipped_task_ids))
                raise Problem(f"not cancelled, because they don't exist or had ended: {skipped}")
            return
        request = pb.CancelTasksRequest(filter=wanted, dry_run=True)
        planned = await wire.call(wire.admin_stub.CancelTasks, request)
        count = planned.cancelled + planned.remaining
        if not confirm(f"{count} tasks will be cancelled", count, yes=yes):
            return
        cancelled = 0
        while True:
            done = await wire.call(wire.admin_stub.CancelTasks, pb.CancelTasksRequest(filter=wanted))
            cancelled += done.cancelled
            if not done.remaining or not done.cancelled:
                break
        output.console().print(f"{cancelled} tasks cancelled")

    run(context, work)


@app.command()
def requeue(
    context: typer.Context,
    state: States = None,
    of: Owner = None,
    code: Codes = None,
    engine: Engine = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
) -> None:
    """Submit failed tasks again, each as a new task with the same photo and options. Counts them first, and asks."""
    wanted = _filter(state, of, code, since, until, engine)

    async def work(wire: Wire) -> None:
        planned = await wire.call(wire.admin_stub.RequeueTasks, pb.RequeueTasksRequest(filter=wanted, dry_run=True))
        if not confirm(f"{planned.total_size} tasks will be submitted again", planned.total_size, yes=yes):
            return
        submitted, skipped = 0, Counter[str]()
        async for page in wire.pages(wire.admin_stub.RequeueTasks, pb.RequeueTasksRequest(filter=wanted)):
            submitted += len(page.tasks)
            skipped.update(each.reason for each in page.skipped)
        output.console().print(f"{submitted} tasks submitted")
        for reason, count in sorted(skipped.items()):
            output.console().print(f"{count} tasks skipped: {reason}")

    run(context, work)


@app.command()
def priority(
    context: typer.Context,
    task_id: int,
    priority: Annotated[int, typer.Argument(min=-10, max=10, help="Higher runs first; 0 is normal.")],
) -> None:
    """Change the priority of a waiting task."""

    async def work(wire: Wire) -> None:
        request = pb.SetPriorityRequest(task_id=task_id, priority=priority)
        done = await wire.call(wire.admin_stub.SetPriority, request)
        output.console().print(f"task {task_id} has priority {done.task.priority}")

    run(context, work)


def _filter(
    state: list[str] | None,
    of: str | None,
    code: list[str] | None,
    since: str | None,
    until: str | None,
    engine: str | None,
) -> pb.TaskFilter:
    wanted = pb.TaskFilter(
        states=[_state(each) for each in state or ()],
        user_id=of or "",
        error_codes=code or (),
        engine=None if engine is None else engine_number(engine),
    )
    if since is not None:
        wanted.created_from.FromDatetime(_time(since))
    if until is not None:
        wanted.created_before.FromDatetime(_time(until))
    return wanted


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) - duration(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _state(name: str) -> task_pb2.TaskState.ValueType:
    try:
        return task_pb2.TaskState.Value(f"TASK_STATE_{name.upper()}")
    except ValueError:
        known = ", ".join(each.removeprefix("TASK_STATE_").lower() for each in task_pb2.TaskState.keys()[1:])
        raise Problem(f"{name!r} is not a state", f"use {known}") from None


def _state_name(number: task_pb2.TaskState.ValueType) -> str:
    return task_pb2.TaskState.Name(number).removeprefix("TASK_STATE_").lower()
