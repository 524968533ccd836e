"""The `whitebg` command: arguments in, exit codes out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup, TyperOption

import whitebg
from whitebg.cli import machine, models, output, pictures, tasks, users
from whitebg.cli.admin import app as admin
from whitebg.cli.connection import ConnectionOptions
from whitebg.cli.datadir import default_data_dir
from whitebg.cli.hoisting import hoisted
from whitebg.cli.problems import Problem
from whitebg.tls import ClientTls
from whitebg.tokens import DEFAULT_USER
from whitebg_process.known_settings import unknown_settings


class _Group(TyperGroup):
    """The root command: its options are accepted after a subcommand too, where older releases declared them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, those of the root first."""
        options = {name: each for each in self.params if isinstance(each, TyperOption) for name in each.opts}
        return super().parse_args(ctx, hoisted(args, {name: each.is_flag for name, each in options.items()}))


app = typer.Typer(
    name="whitebg",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _commands in (machine, pictures, tasks):
    app.add_typer(_commands.app)
app.add_typer(models.app, name="models")
app.add_typer(admin.app, name="admin")
app.add_typer(users.app, name="user")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whitebg {whitebg.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  its callback prints it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(envvar="WHITEBG_GRPC_TARGET", help="HOST:PORT of the service; default: the running `whitebg up`."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="WHITEBG_TOKEN", help="A JWT; created from the data folder's secret if not set."),
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(envvar="WHITEBG_DATA_DIR", help="The data folder of `whitebg up`.")
    ] = default_data_dir(),
    user: Annotated[str, typer.Option(help="User to act as when a token is created locally.")] = DEFAULT_USER,
    tls: Annotated[bool, typer.Option("--tls", envvar="WHITEBG_GRPC_TLS", help="Connect with TLS.")] = False,
    ca: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_SERVER_CA", help="CA of the service's certificate (PEM).")
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(envvar="WHITEBG_GRPC_SERVER_NAME", help="Expected server name.")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_CLIENT_CERT", help="Client certificate (PEM).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_CLIENT_KEY", help="Private key of the client certificate (PEM).")
    ] = None,
) -> None:
    """Turn product photos into marketplace-ready white-background images, with live progress.

    The options below are accepted before and after every command.
    """
    for problem in unknown_settings(os.environ):
        output.console(stderr=True).print(Text(f"warning: {problem}", style="yellow"), soft_wrap=True)
    if any((ca, server_name, cert, key)) and not tls:
        raise Problem("certificates for the service are named, but TLS is off", "add --tls, or WHITEBG_GRPC_TLS=true")
    if (cert is None) != (key is None):
        raise Problem("a certificate and its key go together; only one of them is named", "name both --cert and --key")
    context.obj = ConnectionOptions(
        target=target,
        token=token,
        data_dir=data_dir.expanduser(),
        user=user,
        tls=ClientTls(ca=ca, cert=cert, key=key, server_name=server_name) if tls else None,
    )


def main() -> None:
    """Run the command line and exit with its code."""
    output.escape_unencodable()
    try:
        with output.flushed():
            app()
    except Problem as problem:
        problem.show(output.console(stderr=True))
        sys.exit(1)
