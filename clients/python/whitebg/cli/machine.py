"""`whitebg up`, `doctor`, `backup`, `restore` and `token`: the service on this machine, and its data folder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from whitebg.cli import output
from whitebg.cli.commands import AsJson, connection_options, perform
from whitebg.cli.datadir import DataDir
from whitebg.cli.problems import Problem
from whitebg.cli.service import require_server, run_service_command
from whitebg.cli.up import UpSettings
from whitebg.cli.up import run as run_up
from whitebg.tokens import LINK_LIFETIME, mint, sign_in_link, utc_now

app = typer.Typer()


@app.command()
def up(
    context: typer.Context,
    http_host: Annotated[str, typer.Option(envvar="WHITEBG_HTTP_HOST", help="Where the page listens.")] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option(envvar="WHITEBG_HTTP_PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 8000,
    grpc_host: Annotated[str, typer.Option(envvar="WHITEBG_GRPC_HOST", help="Where gRPC listens.")] = "127.0.0.1",
    grpc_port: Annotated[
        int, typer.Option(envvar="WHITEBG_GRPC_PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 50051,
    service_workers: Annotated[
        int, typer.Option(min=1, max=64, help="Service processes, on consecutive gRPC ports. Several need PostgreSQL.")
    ] = 1,
    gateway_workers: Annotated[
        int, typer.Option(min=1, max=64, help="Gateway processes, which share the HTTP port.")
    ] = 1,
    try_: Annotated[
        Path | None, typer.Option("--try", metavar="PHOTO", help="Put this photo through once it runs.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture of --try.")] = Path("whitebg-out"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs of both processes.")] = False,
) -> None:
    """Run everything on this machine: service, worker and web page. Ctrl-C drains and stops it."""
    require_server()
    settings = UpSettings(
        data_dir=connection_options(context).data_dir,
        http_host=http_host,
        http_port=http_port,
        grpc_host=grpc_host,
        grpc_ports=tuple(grpc_port and grpc_port + number for number in range(service_workers)),
        gateways=gateway_workers,
        verbose=verbose,
        photo=try_,
        out=out,
        tls=connection_options(context).tls,
    )
    perform(run_up(settings, output.console()))


@app.command()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check data folder, database, image store, engines, and Gemini's key and model, and report problems."""
    raise typer.Exit(run_service_command(_folder(context), ["doctor", *(["--json"] if as_json else [])]))


@app.command()
def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the backup; an earlier backup there is updated.")],
) -> None:
    """Copy database, images and signing secret to a folder. The service may be running."""
    raise typer.Exit(run_service_command(_folder(context), ["backup", str(folder)]))


@app.command()
def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that `whitebg backup` wrote.")],
    replace: Annotated[bool, typer.Option(help="Replace the database that is there.")] = False,
) -> None:
    """Restore a backup. The service must be stopped."""
    arguments = ["restore", str(folder), *(["--replace"] if replace else [])]
    raise typer.Exit(run_service_command(_folder(context), arguments))


@app.command()
def token(
    context: typer.Context,
    scope: Annotated[str, typer.Option(help="Comma separated: tasks, admin, service.")] = "tasks",
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="Lifetime of the token; default: 12 hours, of a link 30 days.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link that opens the page of the running `whitebg up` as this user.")
    ] = False,
    secret: Annotated[
        str | None, typer.Option(envvar="WHITEBG_JWT_SECRET", help="What to sign with, instead of the folder's secret.")
    ] = None,
) -> None:
    """Print a token, and nothing else: grpcurl -H "authorization: Bearer $(whitebg token)" …"""  # noqa: D400, D415
    options = connection_options(context)
    folder = _folder(context)
    found = secret or folder.secret()
    if found is None:
        raise Problem(f"there is no {folder.secret_path} to sign with", "run `whitebg up` once, or name its --data-dir")
    scopes = tuple(scope.replace(",", " ").split())
    lifetime = None if hours is None else timedelta(hours=hours)
    try:
        if link:
            endpoints = folder.endpoints()
            if endpoints is None:
                raise Problem(f"there is no {folder.endpoints_path}", "start `whitebg up`, or name its --data-dir")
            text = sign_in_link(endpoints.http_url, found, user=options.user, lifetime=lifetime or LINK_LIFETIME)
        else:
            text = mint(
                found, user=options.user, scopes=scopes, lifetime=lifetime or timedelta(hours=12), now=utc_now()
            )
    except ValueError as error:
        raise Problem(str(error)) from error
    typer.echo(text)


def _folder(context: typer.Context) -> DataDir:
    return DataDir(connection_options(context).data_dir)
