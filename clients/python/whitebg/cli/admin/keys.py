"""`whitebg admin keys`: API keys of services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson
from whitebg.cli.operator import duration, print_json, run
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.wire import Wire

app = typer.Typer(no_args_is_help=True, help="API keys of services.")


@app.command("create")
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


@app.command("list")
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
            created = f"{key.created_at.ToDatetime():%Y-%m-%d}"
            row = (key.key_id, key.name, key.user_id, " ".join(key.scopes), created, used, _state(key))
            table.add_row(*map(Text, row))
        output.console().print(table)

    run(context, work)


@app.command("revoke")
def revoke_key(context: typer.Context, key_id: Annotated[str, typer.Argument(help="The id, as listed.")]) -> None:
    """Revoke an API key. What it opened ends within a second."""

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.RevokeApiKey, pb.RevokeApiKeyRequest(key_id=key_id))

    run(context, work)


def _state(key: pb.ApiKey) -> str:
    if key.HasField("revoked_at"):
        return "revoked"
    if not key.HasField("expires_at"):
        return ""
    ends = key.expires_at.ToDatetime(UTC)
    return f"{'expired' if ends <= datetime.now(UTC) else 'until'} {ends:%Y-%m-%d %H:%M}"
