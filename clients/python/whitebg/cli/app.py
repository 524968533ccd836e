"""The `whitebg` command: arguments in, exit codes out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from whitebg.cli import watching
from whitebg.cli.connection import Connection, Wanted, resolve
from whitebg.cli.datadir import DataDir, default_data_dir
from whitebg.cli.doctor import see_doctor
from whitebg.cli.presets import show_presets
from whitebg.cli.problems import INTERRUPTED, Problem
from whitebg.cli.submitting import submit_photos
from whitebg.cli.up import UpSettings
from whitebg.cli.up import run as run_up
from whitebg.errors import WhitebgError
from whitebg.models import Content, Engine, OutputFormat, Shadow, TaskOptions, TaskState
from whitebg.tls import ClientTls
from whitebg.tokens import mint, utc_now

app = typer.Typer(
    name="whitebg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Target = Annotated[
    str | None, typer.Option(envvar="WHITEBG_GRPC_TARGET", help="HOST:PORT of the service; found by itself if not set.")
]
TokenText = Annotated[
    str | None, typer.Option(envvar="WHITEBG_TOKEN", help="A JWT; made from the data folder's secret if not set.")
]
Folder = Annotated[Path, typer.Option(envvar="WHITEBG_DATA_DIR", help="The data folder of `whitebg up`.")]
User = Annotated[str, typer.Option(help="Whose tasks, where the token is made here.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Task ids.")]
Out = Annotated[Path, typer.Option(help="Folder for the pictures; made if missing.")]
Force = Annotated[bool, typer.Option(help="Replace pictures that are there instead of numbering new ones.")]


@app.callback()
def connect_by(
    context: typer.Context,
    tls: Annotated[bool, typer.Option("--tls", envvar="WHITEBG_GRPC_TLS", help="Speak TLS with the service.")] = False,
    ca: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_SERVER_CA", help="Who signed the service's certificate (PEM).")
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(envvar="WHITEBG_GRPC_SERVER_NAME", help="The name that it must hold.")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_CLIENT_CERT", help="Certificate to show the service (PEM).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(envvar="WHITEBG_GRPC_CLIENT_KEY", help="Private key of that certificate (PEM).")
    ] = None,
) -> None:
    """Product photos on pure white, and everyone who waits is told live."""
    if any((ca, server_name, cert, key)) and not tls:
        raise Problem("certificates for the service are named, but TLS is off", "add --tls, or WHITEBG_GRPC_TLS=true")
    if (cert is None) != (key is None):
        raise Problem("a certificate and its key go together; only one of them is named", "name both --cert and --key")
    context.obj = ClientTls(ca=ca, cert=cert, key=key, server_name=server_name) if tls else None


_STATES = [state for state in TaskState if state is not TaskState.UNKNOWN]


def _state(text: str) -> TaskState:
    if text.lower() not in _STATES:
        raise typer.BadParameter(f"{text!r} is not a state; known are {', '.join(_STATES)}")
    return TaskState(text.lower())


def _connection(
    context: typer.Context,
    target: str | None,
    token: str | None,
    data_dir: Path,
    user: str,
    scopes: tuple[str, ...] = ("tasks",),
) -> Connection:
    wanted = Wanted(target=target, token=token, data_dir=data_dir.expanduser(), user=user, tls=context.obj)
    return resolve(wanted, scopes=scopes)


def _run(work: Coroutine[Any, Any, bool | None]) -> None:
    """Run a command's work; what went wrong becomes a message and an exit code."""
    try:
        fine = asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except WhitebgError as error:
        raise Problem(error.message) from error
    if fine is False:
        raise typer.Exit(1)


@app.command()
def submit(
    context: typer.Context,
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Files, folders or patterns.")],
    out: Out,
    engine: Annotated[
        Literal["auto", "local", "gemini", "rembg"], typer.Option(help="Who makes the picture.")
    ] = "auto",
    preset: Annotated[str | None, typer.Option(help="Marketplace preset, such as amazon or taobao.")] = None,
    output_format: Annotated[OutputFormat | None, typer.Option("--format", help="The picture's file format.")] = None,
    size: Annotated[int | None, typer.Option(min=100, max=10_000, help="Side of the picture in pixels.")] = None,
    fill: Annotated[float | None, typer.Option(min=0.3, max=1.0, help="Share of the side the product takes.")] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.0, max=0.35, help="The fill said otherwise: share left free on each side.")
    ] = None,
    background: Annotated[str | None, typer.Option(help="Background as #RRGGBB; white if not set.")] = None,
    shadow: Annotated[Shadow, typer.Option(help="A soft shadow where the product would stand.")] = Shadow.NONE,
    content: Annotated[
        Content, typer.Option(help="The picture, the product alone on nothing, or its mask.")
    ] = Content.PICTURE,
    prompt: Annotated[str, typer.Option(help="Extra wish for a generative engine.")] = "",
    reuse: Annotated[bool, typer.Option(help="Take an earlier result of the same photo and options, if kept.")] = False,
    force: Force = False,
    as_json: Json = False,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """Put photos on white, and save the pictures as DIR/<name>-white.<ext>. Exit code 1 if any failed."""
    options = TaskOptions(
        engine=Engine(engine),
        preset=preset,
        format=output_format,
        size_px=size,
        fill=fill,
        margin=margin,
        background=background,
        shadow=shadow,
        content=content,
        prompt=prompt,
    )
    connection = _connection(context, target, token, data_dir, user)
    console = Console(highlight=False)
    _run(
        submit_photos(
            connection,
            photos,
            out=out,
            options=options,
            force=force,
            reuse=reuse,
            as_json=as_json,
            console=console,
        )
    )


@app.command()
def watch(
    context: typer.Context,
    all_users: Annotated[bool, typer.Option(help="Everybody's tasks; needs the scope service.")] = False,
    since: Annotated[str | None, typer.Option(metavar="CURSOR", help="Resume behind this cursor.")] = None,
    as_json: Json = False,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """Show live what happens to tasks, until Ctrl-C; it prints the cursor to resume from at its end."""
    scopes = ("tasks", "service") if all_users else ("tasks",)
    connection = _connection(context, target, token, data_dir, user, scopes)
    console = Console(highlight=False)
    _run(watching.watch(connection, since=since, all_users=all_users, as_json=as_json, console=console))


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        list[TaskState] | None,
        typer.Option(parser=_state, metavar="STATE", help=f"Only this state: {', '.join(_STATES)}; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: Json = False,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """List tasks, newest first."""
    connection = _connection(context, target, token, data_dir, user)
    console = Console(highlight=False)
    _run(watching.list_tasks(connection, states=state or [], limit=limit, as_json=as_json, console=console))


@app.command()
def cancel(
    context: typer.Context,
    task_ids: Ids,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """Cancel tasks. Exit code 1 if any could not be."""
    connection = _connection(context, target, token, data_dir, user)
    _run(watching.cancel(connection, task_ids, Console(highlight=False)))


@app.command()
def download(
    context: typer.Context,
    task_ids: Ids,
    out: Out,
    force: Force = False,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """Save the pictures of tasks submitted earlier, waiting for those under way. Exit code 1 if any failed."""
    connection = _connection(context, target, token, data_dir, user)
    _run(watching.download(connection, task_ids, out=out, force=force, console=Console(highlight=False)))


@app.command()
def presets(
    context: typer.Context,
    as_json: Json = False,
    target: Target = None,
    token: TokenText = None,
    data_dir: Folder = default_data_dir(),
    user: User = "local",
) -> None:
    """List the marketplace presets and the rules they follow."""
    connection = _connection(context, target, token, data_dir, user)
    _run(show_presets(connection, as_json=as_json, console=Console(highlight=False)))


@app.command()
def doctor(as_json: Json = False, data_dir: Folder = default_data_dir()) -> None:
    """See whether everything is in order: data folder, database, images, engines, Gemini's key and model."""
    raise typer.Exit(see_doctor(DataDir(data_dir.expanduser()), as_json=as_json))


@app.command()
def token(
    user: User = "local",
    scope: Annotated[str, typer.Option(help="Comma separated: tasks, admin, service.")] = "tasks",
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is good.")] = 12.0,
    data_dir: Folder = default_data_dir(),
    secret: Annotated[
        str | None, typer.Option(envvar="WHITEBG_JWT_SECRET", help="What to sign with, instead of the folder's secret.")
    ] = None,
) -> None:
    """Print a token, and nothing else: grpcurl -H "authorization: Bearer $(whitebg token)" …"""  # noqa: D400, D415
    folder = DataDir(data_dir.expanduser())
    found = secret or folder.secret()
    if found is None:
        raise Problem(f"there is no {folder.secret_path} to sign with", "run `whitebg up` once, or name its --data-dir")
    scopes = tuple(scope.replace(",", " ").split())
    try:
        text = mint(found, user=user, scopes=scopes, lifetime=timedelta(hours=hours), now=utc_now())
    except ValueError as error:
        raise Problem(str(error)) from error
    typer.echo(text)


@app.command()
def up(
    context: typer.Context,
    data_dir: Annotated[
        Path, typer.Option(envvar="WHITEBG_DATA_DIR", help="Where everything is kept.")
    ] = default_data_dir(),
    http_host: Annotated[str, typer.Option(envvar="WHITEBG_HTTP_HOST", help="Where the page listens.")] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option(envvar="WHITEBG_HTTP_PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 8000,
    grpc_host: Annotated[str, typer.Option(envvar="WHITEBG_GRPC_HOST", help="Where gRPC listens.")] = "127.0.0.1",
    grpc_port: Annotated[
        int, typer.Option(envvar="WHITEBG_GRPC_PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 50051,
    try_: Annotated[
        Path | None, typer.Option("--try", metavar="PHOTO", help="Put this photo through once it runs.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture of --try.")] = Path("whitebg-out"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs of both processes.")] = False,
) -> None:
    """Run everything on this machine: service, worker and web page. Ctrl-C drains and stops it."""
    settings = UpSettings(
        data_dir=data_dir,
        http_host=http_host,
        http_port=http_port,
        grpc_host=grpc_host,
        grpc_port=grpc_port,
        verbose=verbose,
        photo=try_,
        out=out,
        tls=context.obj,
    )
    _run(run_up(settings, Console(highlight=False)))


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except Problem as problem:
        problem.show(Console(stderr=True, highlight=False))
        sys.exit(1)
