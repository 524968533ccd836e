"""The `whitebg` command: arguments in, exit codes out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.text import Text
from typer.core import TyperGroup, TyperOption

import whitebg
from whitebg.cli import admin, backup, models, output, usage, users, watching
from whitebg.cli import options as opt
from whitebg.cli.connection import ConnectionOptions, resolve
from whitebg.cli.datadir import DataDir, default_data_dir
from whitebg.cli.doctor import run_doctor
from whitebg.cli.hoisting import hoisted
from whitebg.cli.naming import name_pattern
from whitebg.cli.presets import show_presets
from whitebg.cli.problems import INTERRUPTED, Problem
from whitebg.cli.service import require_server
from whitebg.cli.submitting import Job, redo_tasks, submit_photos
from whitebg.cli.up import UpSettings
from whitebg.cli.up import run as run_up
from whitebg.errors import WhitebgError
from whitebg.models import Content, Engine, ImageKind, Review, Shadow, TaskOptions, TaskState
from whitebg.tls import ClientTls
from whitebg.tokens import DEFAULT_USER, LINK_LIFETIME, mint, sign_in_link, utc_now
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
app.add_typer(models.app, name="models")
app.add_typer(admin.app, name="admin")
app.add_typer(users.app, name="user")
app.command("usage")(usage.usage)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
InBatch = Annotated[str | None, typer.Option("--batch", metavar="BATCH", help="The tasks of this batch.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Task ids.")]
Out = Annotated[Path, typer.Option(help="Folder for the pictures; made if missing.")]
Force = Annotated[bool, typer.Option(help="Replace pictures that are there instead of numbering new ones.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whitebg {whitebg.__version__}")
        raise typer.Exit


@app.callback()
def connection_options(
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


_STATES = [state for state in TaskState if state is not TaskState.UNKNOWN]


def _state(text: str) -> TaskState:
    if text.lower() not in _STATES:
        raise typer.BadParameter(f"{text!r} is not a state; known are {', '.join(_STATES)}")
    return TaskState(text.lower())


def _options(context: typer.Context) -> ConnectionOptions:
    return cast("ConnectionOptions", context.obj)


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
    engine: Annotated[opt.EngineName, typer.Option(help=opt.ENGINE_HELP)] = "auto",
    preset: opt.Presets = None,
    output_format: opt.Format = None,
    size: opt.Size = None,
    fill: opt.Fill = None,
    margin: opt.Margin = None,
    background: opt.Background = None,
    shadow: Annotated[Shadow, typer.Option(help=opt.SHADOW_HELP)] = Shadow.NONE,
    content: Annotated[Content, typer.Option(help=opt.CONTENT_HELP)] = Content.PICTURE,
    prompt: Annotated[str, typer.Option(help=opt.PROMPT_HELP)] = "",
    mask: opt.Mask = None,
    keep: opt.Keep = None,
    drop: opt.Drop = None,
    rotate: opt.Rotate = None,
    move: opt.Move = None,
    scale: opt.Scale = None,
    crop: opt.Crop = None,
    reuse: opt.Reuse = False,
    at: opt.At = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Put photos on white, and save the pictures as DIR/<name>-white.<ext>. Exit code 1 if any failed."""
    options = TaskOptions(
        engine=Engine(engine),
        format=output_format,
        size_px=size,
        fill=fill,
        margin=margin,
        background=background,
        shadow=shadow,
        content=content,
        prompt=prompt,
        hints=opt.hints_of(keep, drop),
    )
    options = replace(options, **opt.position_of(rotate, move, scale, crop))
    connection = resolve(_options(context))
    how = Job(
        out=out,
        options=options,
        presets=preset or (),
        mask=mask,
        run_at=None if at is None else opt.start_of(at, datetime.now().astimezone()),
        force=force,
        reuse=reuse,
        as_json=as_json,
    )
    _run(submit_photos(connection, photos, how, output.console()))


@app.command()
def redo(
    context: typer.Context,
    task_ids: Ids,
    out: Out,
    engine: opt.OptionalEngine = None,
    preset: opt.Presets = None,
    output_format: opt.Format = None,
    size: opt.Size = None,
    fill: opt.Fill = None,
    margin: opt.Margin = None,
    background: opt.Background = None,
    shadow: opt.OptionalShadow = None,
    content: opt.OptionalContent = None,
    prompt: opt.OptionalPrompt = None,
    mask: opt.Mask = None,
    no_mask: Annotated[bool, typer.Option("--no-mask", help="Don't use the earlier task's mask again.")] = False,
    keep: opt.Keep = None,
    drop: opt.Drop = None,
    rotate: opt.Rotate = None,
    move: opt.Move = None,
    scale: opt.Scale = None,
    crop: opt.Crop = None,
    reuse: opt.Reuse = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make new versions of earlier results, without a new upload. Options not named stay as they were.

    The earlier results stay. Exit code 1 if any failed.
    """
    if mask is not None and no_mask:
        raise Problem("--mask and --no-mask exclude each other", "leave one of them out")
    changes = {
        "engine": None if engine is None else Engine(engine),
        "format": output_format,
        "size_px": size,
        "fill": fill,
        "margin": margin,
        "background": background,
        "shadow": shadow,
        "content": content,
        "prompt": prompt,
        "hints": opt.hints_of(keep, drop) or None,
        **opt.position_of(rotate, move, scale, crop),
    }
    connection = resolve(_options(context))
    how = Job(
        out=out,
        presets=preset or (),
        changes={name: value for name, value in changes.items() if value is not None},
        mask=mask,
        drop_mask=no_mask,
        force=force,
        reuse=reuse,
        as_json=as_json,
    )
    _run(redo_tasks(connection, task_ids, how, output.console()))


@app.command()
def watch(
    context: typer.Context,
    all_users: Annotated[bool, typer.Option(help="Everybody's tasks; needs the scope service.")] = False,
    since: Annotated[str | None, typer.Option(metavar="CURSOR", help="Resume behind this cursor.")] = None,
    as_json: Json = False,
) -> None:
    """Show live what happens to tasks, until Ctrl-C; it prints the cursor to resume from at its end."""
    scopes = ("tasks", "service") if all_users else ("tasks",)
    connection = resolve(_options(context), scopes=scopes)
    _run(watching.watch(connection, since=since, all_users=all_users, as_json=as_json, console=output.console()))


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        list[TaskState] | None,
        typer.Option(parser=_state, metavar="STATE", help=f"Only this state: {', '.join(_STATES)}; may be repeated."),
    ] = None,
    batch: InBatch = None,
    review: Annotated[
        Review | None, typer.Option(help="Only completed tasks with this decision.", show_choices=True)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List tasks, newest first."""
    connection = resolve(_options(context))
    found = watching.list_tasks(
        connection,
        states=state or [],
        batch_id=batch,
        review=review,
        limit=limit,
        as_json=as_json,
        console=output.console(),
    )
    _run(found)


@app.command()
def cancel(
    context: typer.Context,
    task_ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Task ids.")] = None,
    batch: InBatch = None,
) -> None:
    """Cancel tasks, or those of a batch. Exit code 1 if any could not be."""
    if bool(task_ids) == (batch is not None):
        raise Problem("it is not clear what to cancel", "name either ids or --batch")
    connection = resolve(_options(context))
    if batch is not None:
        _run(watching.cancel_batch(connection, batch, output.console()))
    else:
        _run(watching.cancel(connection, task_ids or [], output.console()))


@app.command()
def review(
    context: typer.Context,
    decision: Annotated[
        Literal["accept", "reject", "clear"], typer.Argument(help="The decision; clear takes an earlier one back.")
    ],
    task_ids: Ids,
) -> None:
    """Accept or reject the pictures of tasks. Exit code 1 if any task has no picture."""
    recorded = {"accept": Review.ACCEPTED, "reject": Review.REJECTED, "clear": Review.OPEN}[decision]
    _run(watching.review(resolve(_options(context)), task_ids, recorded, output.console()))


@app.command()
def batch(
    context: typer.Context,
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="The batch.")],
    as_json: Json = False,
) -> None:
    """Show how many tasks of a batch have ended, and how."""
    connection = resolve(_options(context))
    _run(watching.show_batch(connection, batch_id, as_json=as_json, console=output.console()))


@app.command()
def delete(
    context: typer.Context,
    task_ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Task ids.")] = None,
    all_tasks: Annotated[bool, typer.Option("--all", help="All tasks of the user.")] = False,
    batch: InBatch = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before deleting all.")] = False,
) -> None:
    """Delete tasks with their photos and pictures; running ones are cancelled first. Exit code 1 if any is missing."""
    if bool(task_ids) + all_tasks + (batch is not None) != 1:
        raise Problem("it is not clear what to delete", "name either ids, or --batch, or --all")
    if all_tasks and not yes:
        typer.confirm("Delete all tasks with their photos and pictures?", abort=True)
    connection = resolve(_options(context))
    _run(watching.delete(connection, task_ids or [], batch, output.console()))


@app.command()
def download(
    context: typer.Context,
    out: Out,
    task_ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Task ids.")] = None,
    accepted: Annotated[bool, typer.Option("--accepted", help="All pictures that were accepted.")] = False,
    image: Annotated[
        Literal["result", "mask"],
        typer.Option(help="The picture, or the product's mask, to be corrected."),
    ] = "result",
    name: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="File names with {name}, {sku}, {market} and {n}; / separates folders: '{market}/{name}-white'.",
        ),
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Write DIR/report.csv with the verdicts.")] = False,
    force: Force = False,
) -> None:
    """Save the pictures of tasks submitted earlier, waiting for those under way. Exit code 1 if any failed."""
    if bool(task_ids) == accepted:
        raise Problem("it is not clear what to download", "name either ids or --accepted")
    connection = resolve(_options(context))
    saving = watching.download(
        connection,
        task_ids or [],
        out=out,
        kind=ImageKind(image),
        pattern=None if name is None else name_pattern(name),
        report=report,
        force=force,
        console=output.console(),
    )
    _run(saving)


@app.command()
def presets(
    context: typer.Context,
    as_json: Json = False,
) -> None:
    """List the marketplace presets and the rules they follow."""
    connection = resolve(_options(context))
    _run(show_presets(connection, as_json=as_json, console=output.console()))


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check data folder, database, image store, engines, and Gemini's key and model, and report problems."""
    raise typer.Exit(run_doctor(DataDir(_options(context).data_dir), as_json=as_json))


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
    options = _options(context)
    folder = DataDir(options.data_dir)
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
    try_: Annotated[
        Path | None, typer.Option("--try", metavar="PHOTO", help="Put this photo through once it runs.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture of --try.")] = Path("whitebg-out"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs of both processes.")] = False,
) -> None:
    """Run everything on this machine: service, worker and web page. Ctrl-C drains and stops it."""
    require_server()
    settings = UpSettings(
        data_dir=_options(context).data_dir,
        http_host=http_host,
        http_port=http_port,
        grpc_host=grpc_host,
        grpc_port=grpc_port,
        verbose=verbose,
        photo=try_,
        out=out,
        tls=_options(context).tls,
    )
    _run(run_up(settings, output.console()))


def main() -> None:
    """Run the command line and exit with its code."""
    output.escape_unencodable()
    try:
        app()
    except Problem as problem:
        problem.show(output.console(stderr=True))
        sys.exit(1)
