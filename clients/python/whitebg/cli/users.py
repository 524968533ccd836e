"""`whitebg user`: the users of a small team, each with a sign-in link."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from whitebg.cli.datadir import DataDir
from whitebg.cli.problems import Problem
from whitebg.tokens import sign_in_link

app = typer.Typer(no_args_is_help=True, help="Users of a small team, without an identity provider.")

MAX_DAYS = 365


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
    folder = DataDir(context.obj.data_dir)
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
