"""The `whitebg admin` command."""

from __future__ import annotations

import typer

from whitebg.cli import usage
from whitebg.cli.admin import keys, queue, tasks, users, webhooks

app = typer.Typer(no_args_is_help=True, help="Control the queue and the tasks of all users. Needs the scope admin.")
for _commands in (queue, tasks, users):
    app.add_typer(_commands.app)
app.command("usage")(usage.admin_usage)
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
