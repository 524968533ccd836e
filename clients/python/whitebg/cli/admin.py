"""`whitebg admin`: control of the queue and the tasks of all users."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from whitebg.cli import output, usage, webhooks
from whitebg.cli.operator import AsJson, duration, print_json, run
from whitebg.cli.problems import Problem
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.wire import Wire

app = typer.Typer(no_args_is_help=True, help="Control the queue and the tasks of all users. Needs the scope admin.")

Engine = Annotated[str | None, typer.Option(metavar="ENGINE", help="Only this engine: local, gemini or neural.")]
States = Annotated[list[str] | None, typer.Option("--state", metavar="STATE", help="Only this state; may be repeated.")]
Owner = Annotated[str | None, typer.Option("--of", metavar="USER", help="Only tasks of this user.")]
Codes = Annotated[
    list[str] | None, typer.Option("--code", metavar="CODE", help="Only tasks with this error code; may be repeated.")
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Created since: RFC 3339, or a duration before now such as 2h.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Created before: as --since.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")]

_PAGE_SIZE = 500
"""Tasks in one response."""


@app.command()
def pause(
    context: typer.Context,
    engine: Engine = None,
    note: Annotated[str, typer.Option(help="Reason, shown to users whose tasks wait.")] = "",
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="End automatically after this time, such as 30m.")
    ] = None,
) -> None:
    """Stop claims. Running tasks continue, and new tasks wait."""
    request = pb.PauseQueueRequest(engine=_engine(engine), note=note)
    if lasts is not None:
        request.lasts.FromTimedelta(duration(lasts))

    async def work(wire: Wire) -> None:
        _print_pause((await wire.call(wire.admin_stub.PauseQueue, request)).pause)

    run(context, work)


@app.command()
def resume(context: typer.Context, engine: Engine = None) -> None:
    """End a pause: that of all claims, or with --engine that of an engine."""

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.ResumeQueue, pb.ResumeQueueRequest(engine=_engine(engine)))
        output.console().print("resumed")

    run(context, work)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show pauses and limits of engines."""

    async def work(wire: Wire) -> None:
        found = await wire.call(wire.admin_stub.GetQueueControl, pb.GetQueueControlRequest())
        if as_json:
            print_json(found)
            return
        for each in found.pauses:
            _print_pause(each)
        for limit in found.limits:
            running = f"{limit.max_running} tasks at once" if limit.max_running else ""
            rate = f"{limit.starts_per_minute} starts per minute" if limit.starts_per_minute else ""
            limits = ", ".join(filter(None, (running, rate)))
            output.console().print(f"{_engine_name(limit.engine)}: at most {limits}")
        if not found.pauses and not found.limits:
            output.console().print("no pause and no limit")

    run(context, work)


@app.command()
def limit(
    context: typer.Context,
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="local, gemini or neural.")],
    running: Annotated[int, typer.Option(min=0, help="Tasks at once, over all workers; 0 for no limit.")] = 0,
    per_minute: Annotated[int, typer.Option(min=0, help="Starts per minute; 0 for no limit.")] = 0,
) -> None:
    """Set the limits of an engine over all workers; without options, remove them."""
    value = pb.EngineLimit(engine=_engine(engine), max_running=running, starts_per_minute=per_minute)

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.SetEngineLimit, pb.SetEngineLimitRequest(limit=value))

    run(context, work)


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
        if not _confirm(f"{count} tasks will be cancelled", count, yes=yes):
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
        if not _confirm(f"{planned.total_size} tasks will be submitted again", planned.total_size, yes=yes):
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


@app.command()
def users(context: typer.Context, as_json: AsJson = False) -> None:
    """List users with their tasks, stored bytes and limits."""

    async def work(wire: Wire) -> None:
        table = Table("user", "waiting", "running", "MiB", "limits", box=None)
        async for page in wire.pages(wire.admin_stub.ListUsers, pb.ListUsersRequest()):
            for user in page.users:
                if as_json:
                    print_json(user)
                    continue
                limits = ", ".join(f"{name} {value}" for name, value in MessageToDict(user.limits).items())
                size = f"{user.stored_bytes / 2**20:.1f}"
                table.add_row(*map(Text, (user.user_id, str(user.pending), str(user.running), size, limits)))
        if not as_json:
            output.console().print(table)

    run(context, work)


keys = typer.Typer(no_args_is_help=True, help="API keys of services.")
app.command("usage")(usage.admin_usage)
app.add_typer(keys, name="keys")
app.add_typer(webhooks.app, name="webhooks")


@keys.command("create")
def create_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name for people, such as the service that holds the key.")],
    user: Annotated[str, typer.Option("--as", metavar="USER", help="User as whom the holder acts.")],
    scope: Annotated[list[str] | None, typer.Option(help="tasks, admin or service; may be repeated.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Validity, such as 365d.")] = None,
) -> None:
    """Create an API key and print it. It can't be shown again."""
    request = pb.CreateApiKeyRequest(name=name, user_id=user, scopes=scope or ["tasks"])
    if lasts is not None:
        request.lasts.FromTimedelta(duration(lasts))

    async def work(wire: Wire) -> None:
        typer.echo((await wire.call(wire.admin_stub.CreateApiKey, request)).key)

    run(context, work)


@keys.command("list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """List API keys with their latest use."""

    async def work(wire: Wire) -> None:
        found = await wire.call(wire.admin_stub.ListApiKeys, pb.ListApiKeysRequest())
        if as_json:
            for key in found.api_keys:
                print_json(key)
            return
        table = Table("id", "name", "user", "scopes", "created", "last used", "state", box=None)
        for key in found.api_keys:
            used = f"{key.last_used_at.ToDatetime():%Y-%m-%d %H:%M}" if key.HasField("last_used_at") else "never"
            state = "revoked" if key.HasField("revoked_at") else ""
            if not state and key.HasField("expires_at"):
                state = f"until {key.expires_at.ToDatetime():%Y-%m-%d}"
            created = f"{key.created_at.ToDatetime():%Y-%m-%d}"
            row = (key.key_id, key.name, key.user_id, " ".join(key.scopes), created, used, state)
            table.add_row(*map(Text, row))
        output.console().print(table)

    run(context, work)


@keys.command("revoke")
def revoke_key(context: typer.Context, key_id: Annotated[str, typer.Argument(help="The id, as listed.")]) -> None:
    """Revoke an API key. What it opened ends within a second."""

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.RevokeApiKey, pb.RevokeApiKeyRequest(key_id=key_id))

    run(context, work)


@app.command("user-limits")
def user_limits(
    context: typer.Context,
    user: str,
    pending: Annotated[int | None, typer.Option(min=0, help="Tasks that may wait.")] = None,
    running: Annotated[int | None, typer.Option(min=0, help="Tasks that may run at the same time.")] = None,
    stored_mib: Annotated[int | None, typer.Option(min=0, help="MiB of stored images.")] = None,
) -> None:
    """Replace the limits of a user. Limits that are not named are the defaults; without options, all are."""
    limits = pb.UserLimits(
        max_pending=pending, max_running=running, max_stored_bytes=None if stored_mib is None else stored_mib * 2**20
    )

    async def work(wire: Wire) -> None:
        request = pb.SetUserLimitsRequest(user_id=user, limits=limits)
        await wire.call(wire.admin_stub.SetUserLimits, request)

    run(context, work)


@app.command("delete-user")
def delete_user(context: typer.Context, user: str, yes: Yes = False) -> None:
    """Delete a user and all data at once: tasks, images, events, limits, API keys and webhooks."""
    if not _confirm(f"all data of {user} will be deleted", 1, yes=yes):
        return

    async def work(wire: Wire) -> None:
        done = await wire.call(wire.admin_stub.DeleteUser, pb.DeleteUserRequest(user_id=user))
        output.console().print(f"{user} was deleted, with {done.deleted_tasks} tasks")

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
        engine=None if engine is None else _engine(engine),
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


def _engine(name: str | None) -> task_pb2.Engine.ValueType:
    if name is None:
        return task_pb2.ENGINE_AUTO
    try:
        return task_pb2.Engine.Value(f"ENGINE_{name.upper()}")
    except ValueError:
        raise Problem(f"{name!r} is not an engine", "use local, gemini or neural") from None


def _engine_name(number: task_pb2.Engine.ValueType) -> str:
    return task_pb2.Engine.Name(number).removeprefix("ENGINE_").lower()


def _state(name: str) -> task_pb2.TaskState.ValueType:
    try:
        return task_pb2.TaskState.Value(f"TASK_STATE_{name.upper()}")
    except ValueError:
        known = ", ".join(each.removeprefix("TASK_STATE_").lower() for each in task_pb2.TaskState.keys()[1:])
        raise Problem(f"{name!r} is not a state", f"use {known}") from None


def _state_name(number: task_pb2.TaskState.ValueType) -> str:
    return task_pb2.TaskState.Name(number).removeprefix("TASK_STATE_").lower()


def _confirm(what: str, count: int, *, yes: bool) -> bool:
    console = output.console()
    console.print(what)
    if not count:
        return False
    if not yes and not typer.confirm("Continue?"):
        console.print("nothing was changed")
        return False
    return True


def _print_pause(value: pb.QueuePause) -> None:
    what = "all claims" if value.engine == task_pb2.ENGINE_AUTO else _engine_name(value.engine)
    end = f" until {value.ends_at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC" if value.HasField("ends_at") else ""
    output.console().print(Text(f"{what} paused{end}: {value.note}"), soft_wrap=True)
