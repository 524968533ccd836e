"""`whitebg admin users`, `user-limits` and `delete-user`."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson, Yes
from whitebg.cli.operator import confirm, print_json, run
from whitebg.cli.problems import Problem
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.wire import Wire

app = typer.Typer()


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
    if not confirm(f"all data of {user} will be deleted", 1, yes=yes):
        return

    async def work(wire: Wire) -> None:
        done = await wire.call(wire.admin_stub.DeleteUser, pb.DeleteUserRequest(user_id=user))
        if not done.complete:
            raise Problem(
                f"{user} was not deleted completely: tasks arrived meanwhile, and {done.deleted_tasks} were deleted",
                "stop the clients that submit for this user, then run it again",
            )
        output.console().print(f"{user} was deleted, with {done.deleted_tasks} tasks")

    run(context, work)
