"""`whitebg submit`, `redo`, `download` and `presets`: pictures from photos."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

import typer

from whitebg.cli import options as opt
from whitebg.cli import output
from whitebg.cli.commands import AsJson, Force, Ids, OptionalIds, Out, connection, perform
from whitebg.cli.naming import name_pattern
from whitebg.cli.presets import show_presets
from whitebg.cli.problems import Problem
from whitebg.cli.saving import save_results
from whitebg.cli.submitting import Job, redo_tasks, submit_photos
from whitebg.models import Content, Engine, ImageKind, Shadow, TaskOptions

app = typer.Typer()


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
    as_json: AsJson = False,
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
    now = datetime.now().astimezone()
    run_at = None if at is None else opt.start_of(at, now)
    service = connection(context)
    if run_at is not None and run_at < now:
        note = f"note: {run_at:%Y-%m-%d %H:%M} of --at is past; the photos start at once"
        output.console(stderr=True).print(note, soft_wrap=True)
    how = Job(
        out=out,
        options=options,
        presets=preset or (),
        mask=mask,
        run_at=run_at,
        force=force,
        reuse=reuse,
        as_json=as_json,
    )
    perform(submit_photos(service, photos, how, output.console()))


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
    as_json: AsJson = False,
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
    service = connection(context)
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
    perform(redo_tasks(service, task_ids, how, output.console()))


@app.command()
def download(
    context: typer.Context,
    out: Out,
    task_ids: OptionalIds = None,
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
    service = connection(context)
    saving = save_results(
        service,
        task_ids or [],
        out=out,
        kind=ImageKind(image),
        pattern=None if name is None else name_pattern(name),
        report=report,
        force=force,
        console=output.console(),
    )
    perform(saving)


@app.command()
def presets(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """List the marketplace presets and the rules they follow."""
    service = connection(context)
    perform(show_presets(service, as_json=as_json, console=output.console()))
