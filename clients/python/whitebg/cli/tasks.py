"""`whitebg watch`, `list`, `cancel`, `review`, `batch` and `delete`: commands for existing tasks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Annotated, Literal

import typer
from rich.text import Text

from whitebg import errors
from whitebg.cli import output, usage, watching
from whitebg.cli.commands import AsJson, Ids, InBatch, OptionalIds, Yes, connection, perform
from whitebg.cli.connection import connected
from whitebg.cli.problems import Problem
from whitebg.cli.tables import batch_line, model_to_json, task_table
from whitebg.models import Review, Task, TaskState

app = typer.Typer()
app.command()(usage.usage)

_STATES = [state for state in TaskState if state is not TaskState.UNKNOWN]
_DECISIONS = {
    "accept": (Review.ACCEPTED, "accepted"),
    "reject": (Review.REJECTED, "rejected"),
    "clear": (Review.OPEN, "not decided"),
}


def _state(text: str) -> TaskState:
    if text.lower() not in _STATES:
        raise typer.BadParameter(f"{text!r} is not a state; known are {', '.join(_STATES)}")
    return TaskState(text.lower())


@app.command()
def watch(
    context: typer.Context,
    all_users: Annotated[bool, typer.Option(help="Everybody's tasks; needs the scope service.")] = False,
    since: Annotated[str | None, typer.Option(metavar="CURSOR", help="Resume behind this cursor.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show live what happens to tasks, until Ctrl-C; it prints the cursor to resume from at its end."""
    service = connection(context, scopes=("tasks", "service") if all_users else ("tasks",))
    perform(watching.watch(service, since=since, all_users=all_users, as_json=as_json, console=output.console()))


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        list[TaskState] | None,
        typer.Option(parser=_state, metavar="STATE", help=f"Only this state: {', '.join(_STATES)}; may be repeated."),
    ] = None,
    batch: InBatch = None,
    review: Annotated[
        Review | None, typer.Option(help="Only completed tasks with this decision.", show_choices=True)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first."""
    service, console = connection(context), output.console()

    async def work() -> None:
        tasks: list[Task] = []
        async with connected(service) as client:
            pages = client.list_tasks(states=state or [], batch_id=batch, review=review, page_size=min(limit, 500))
            async with aclosing(pages) as found:
                async for task in found:
                    tasks.append(task)
                    if len(tasks) >= limit:
                        break
        if as_json:
            for task in tasks:
                console.file.write(model_to_json(task, console.file) + "\n")
        else:
            console.print(task_table(tasks) if tasks else "no tasks")

    perform(work())


@app.command()
def cancel(context: typer.Context, task_ids: OptionalIds = None, batch: InBatch = None) -> None:
    """Cancel tasks, or those of a batch. Exit code 1 if any could not be."""
    if bool(task_ids) == (batch is not None):
        raise Problem("it is not clear what to cancel", "name either ids or --batch")
    service, console = connection(context), output.console()

    async def work() -> bool:
        fine = True
        async with connected(service) as client:
            if batch is not None:
                console.print(Text(batch_line(await client.cancel_batch(batch))), soft_wrap=True)
            for task_id in task_ids or []:
                try:
                    task = await client.cancel(task_id)
                    console.print(f"task {task.task_id} is {task.state}")
                except (errors.NotFound, errors.WrongState) as error:
                    fine = False
                    console.print(Text(error.message, style="red"), soft_wrap=True)
        return fine

    perform(work())


@app.command()
def review(
    context: typer.Context,
    decision: Annotated[
        Literal["accept", "reject", "clear"], typer.Argument(help="The decision; clear takes an earlier one back.")
    ],
    task_ids: Ids,
) -> None:
    """Accept or reject the pictures of tasks. Exit code 1 if any task has no picture."""
    service, console = connection(context), output.console()
    recorded, name = _DECISIONS[decision]

    async def work() -> bool:
        async with connected(service) as client:
            done = await client.review(task_ids, recorded)
        console.print(f"{_counted(len(done.task_ids), 'picture')} {name}")
        for task_id in done.unfinished:
            console.print(Text(f"task {task_id} has no picture", style="red"))
        _show_missing(done.missing)
        return not (done.unfinished or done.missing)

    perform(work())


@app.command()
def batch(
    context: typer.Context,
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="The batch.")],
    as_json: AsJson = False,
) -> None:
    """Show how many tasks of a batch have ended, and how."""
    service, console = connection(context), output.console()

    async def work() -> None:
        async with connected(service) as client:
            found = await client.get_batch(batch_id)
        if as_json:
            console.file.write(model_to_json(found, console.file) + "\n")
        else:
            console.print(Text(batch_line(found)), soft_wrap=True)

    perform(work())


@app.command()
def delete(
    context: typer.Context,
    task_ids: OptionalIds = None,
    all_tasks: Annotated[bool, typer.Option("--all", help="All tasks of the user.")] = False,
    batch: InBatch = None,
    yes: Yes = False,
) -> None:
    """Delete tasks with their photos and pictures; running ones are cancelled first. Exit code 1 if any is missing."""
    if bool(task_ids) + all_tasks + (batch is not None) != 1:
        raise Problem("it is not clear what to delete", "name either ids, or --batch, or --all")
    if all_tasks and not yes:
        typer.confirm("Delete all tasks with their photos and pictures?", abort=True)
    service, console = connection(context), output.console()

    async def work() -> bool:
        async with connected(service) as client:
            if batch is not None:
                deleted = await client.delete_batch(batch)
            else:
                deleted = await (client.delete(task_ids) if task_ids else client.delete_all())
        console.print(f"{_counted(len(deleted.task_ids), 'task')} deleted")
        _show_missing(deleted.missing)
        return not deleted.missing

    perform(work())


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _show_missing(task_ids: Iterable[int]) -> None:
    for task_id in task_ids:
        output.console().print(Text(f"task {task_id} does not exist", style="red"))
