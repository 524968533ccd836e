"""`whitebg admin webhooks`: endpoints that get messages about tasks that ended."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson
from whitebg.cli.operator import duration, print_json, run
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.wire import Wire

app = typer.Typer(no_args_is_help=True, help="Webhooks for tasks that ended.")

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="Id of a webhook, as listed.")]


@app.command()
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="https URL that messages are posted to.")],
    user: Annotated[str, typer.Option("--of", metavar="USER", help="Only tasks of this user.")] = "",
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as task.completed; may be repeated.")
    ] = None,
) -> None:
    """Create a webhook and print its secret. It can't be shown again."""
    request = pb.CreateWebhookRequest(url=url, user_id=user, types=kind or ())

    async def work(wire: Wire) -> None:
        made = await wire.call(wire.admin_stub.CreateWebhook, request)
        typer.echo(f"{made.webhook.webhook_id} {made.secret}")

    run(context, work)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List webhooks and their state."""

    async def work(wire: Wire) -> None:
        found = await wire.call(wire.admin_stub.ListWebhooks, pb.ListWebhooksRequest())
        if as_json:
            for webhook in found.webhooks:
                print_json(webhook)
            return
        table = Table("id", "url", "user", "types", "failures", "last error", box=None)
        for each in found.webhooks:
            row = (each.webhook_id, each.url, each.user_id, " ".join(each.types), str(each.failures), each.last_error)
            table.add_row(*map(Text, row))
        output.console().print(table)

    run(context, work)


@app.command()
def delete(context: typer.Context, webhook_id: WebhookId) -> None:
    """Delete a webhook with its dead letters."""

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.DeleteWebhook, pb.DeleteWebhookRequest(webhook_id=webhook_id))

    run(context, work)


@app.command()
def rotate(
    context: typer.Context,
    webhook_id: WebhookId,
    keep: Annotated[
        str, typer.Option("--keep-old", metavar="DURATION", help="How long the earlier secrets sign too.")
    ] = "24h",
) -> None:
    """Give a webhook a new secret and print it."""
    request = pb.RotateWebhookSecretRequest(webhook_id=webhook_id)
    request.keep_old.FromTimedelta(duration(keep))

    async def work(wire: Wire) -> None:
        typer.echo((await wire.call(wire.admin_stub.RotateWebhookSecret, request)).secret)

    run(context, work)


@app.command("dead-letters")
def dead_letters(context: typer.Context, webhook_id: WebhookId) -> None:
    """List messages that could not be delivered, as JSON lines, oldest first."""

    async def work(wire: Wire) -> None:
        after = 0
        while True:
            request = pb.ListDeadLettersRequest(webhook_id=webhook_id, after=after, page_size=500)
            page = await wire.call(wire.admin_stub.ListDeadLetters, request)
            if not page.dead_letters:
                return
            for letter in page.dead_letters:
                print_json(letter)
            after = page.dead_letters[-1].number

    run(context, work)


@app.command()
def replay(
    context: typer.Context,
    webhook_id: WebhookId,
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers of dead letters; all if none is named.")] = None,
) -> None:
    """Deliver dead letters again, in their order."""
    request = pb.ReplayDeadLettersRequest(webhook_id=webhook_id, numbers=numbers or ())

    async def work(wire: Wire) -> None:
        done = await wire.call(wire.admin_stub.ReplayDeadLetters, request)
        output.console().print(f"{done.requested} messages will be delivered again")

    run(context, work)
