"""`whitebg models`: the networks of the neural engine."""

from __future__ import annotations

from typing import Annotated

import typer

from whitebg.cli.commands import connection_options
from whitebg.cli.datadir import DataDir
from whitebg.cli.service import run_service_command

app = typer.Typer(no_args_is_help=True, help="List, install and remove networks for the neural engine.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a network, such as isnet-general-use.")]


@app.command("list")
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")] = False,
) -> None:
    """List the known networks: which are installed, their licences, sizes and benefits."""
    _run(context, "list", *(["--json"] if as_json else []))


@app.command()
def install(
    context: typer.Context,
    name: Name,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|URL", help="Another source than the default.")
    ] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Accept weights with another checksum.")
    ] = False,
) -> None:
    """Download a network and verify its checksum. An interrupted download continues where it stopped."""
    more = ["--from", source] if source is not None else []
    _run(context, "install", name, *more, *(["--allow-unverified"] if allow_unverified else []))


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Delete an installed network."""
    _run(context, "remove", name)


def _run(context: typer.Context, *arguments: str) -> None:
    options = connection_options(context)
    raise typer.Exit(run_service_command(DataDir(options.data_dir), ["models", *arguments]))
