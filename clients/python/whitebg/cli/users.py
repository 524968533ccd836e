"""`whitebg user`: the users of a small team, each with a sign-in link."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from whitebg.cli.commands import connection_options
from whitebg.cli.datadir import DataDir
from whitebg.cli.problems import Problem
from whitebg.tokens import sign_in_link
from whitebg_process.user_ids import reserved_for

app = typer.Typer(no_args_is_help=True, help="Users of a small team, without an identity provider.")

MAX_DAYS = 365
MAX_NAME = 255


@app.callback()
def users() -> None:
    """Manage the users of a small team."""


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The user's name, such as ann.")],
    url: Annotated[
        str | None,
        typer.Option(envvar="WHITEBG_PUBLIC_URL", help="Address of the page; that of `whitebg up` if not set."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="How long the link and its session are valid.")] = 30,
    operator: Annotated[
        bool, typer.Option("--operator", help="Add the scope admin; the link opens the page for operators.")
    ] = False,
    secret: Annotated[
        str | None, typer.Option(envvar="WHITEBG_JWT_SECRET", help="Signing secret, instead of the data folder's.")
    ] = None,
) -> None:
    """Print a sign-in link. It signs its reader in as this user: send it over a private channel."""
    _check(name)
    folder = DataDir(connection_options(context).data_dir)
    signing = secret or folder.secret()
    if signing is None:
        raise Problem(f"there is no {folder.secret_path} to sign with", "run `whitebg up` once, or name its --data-dir")
    endpoints = folder.endpoints()
    address = url or (endpoints.http_url if endpoints else None)
    if address is None:
        raise Problem("the address of the page is not known", "name it with --url https://whitebg.example.com")
    try:
        lifetime = timedelta(days=days)
        typer.echo(sign_in_link(address.rstrip("/"), signing, user=name, lifetime=lifetime, operator=operator))
    except ValueError as error:
        raise Problem(str(error)) from error


def _check(name: str) -> None:
    """Check that a user may be called this.

    Raises:
        Problem: the name can't be used.

    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Problem(f"{name!r} can't be a user's name", f"use 1 to {MAX_NAME} printable characters, such as ann")
    if reserved := reserved_for(name):
        raise Problem(f"the name {name!r} {reserved}", "choose another, such as ann")
