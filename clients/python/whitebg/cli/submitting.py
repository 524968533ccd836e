"""`whitebg submit` and `redo`: the one way to process photos, from the command line and from `up --try`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from whitebg import errors
from whitebg.cli import output
from whitebg.cli.batch import Batch, Item, Missing, Request
from whitebg.cli.connection import Connection, connected
from whitebg.cli.display import LiveReporter, print_summary, reporter_for
from whitebg.cli.photo_arguments import NoPhotos, expand
from whitebg.cli.problems import Problem
from whitebg.cli.saving import make_folder
from whitebg.client import AsyncClient
from whitebg.models import Content, Engine, HintKind, Shadow, TaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Options of the pictures, and where to save them."""

    out: Path
    options: TaskOptions = field(default_factory=TaskOptions)
    """Of new photos."""
    presets: Sequence[str] = ()
    """Presets of the pictures of each photo, one picture each; none means that of ``options``, or the earlier one."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Options, by name, that differ from those of an earlier task."""
    mask: Path | None = None
    drop_mask: bool = False
    run_at: datetime | None = None
    """Earliest start; None is at once."""
    force: bool = False
    reuse: bool = False
    as_json: bool = False


async def submit_photos(connection: Connection, arguments: list[str], job: Job, console: Console) -> bool:
    """Process photos and show the progress; return whether all were completed.

    Raises:
        Problem: nothing answers, ``out`` can't be written, there is no such preset, or a mask for more than one photo.
        WhitebgError: the service refuses us altogether.

    """
    await make_folder(job.out)
    photos = await asyncio.to_thread(lambda: list(expand(arguments)))
    _check_mask(job, len(photos))
    async with connected(connection) as client:
        await _check_presets(client, job.presets)
        return await _run(client, [_item(photo, job) for photo in photos], job, console)


async def redo_tasks(connection: Connection, task_ids: list[int], job: Job, console: Console) -> bool:
    """Make new versions of earlier results and show the progress; return whether all were completed.

    Raises:
        Problem: nothing answers, ``out`` can't be written, there is no such preset, or a mask for more than one task.
        WhitebgError: the service refuses us altogether.

    """
    await make_folder(job.out)
    _check_mask(job, len(task_ids))
    async with connected(connection) as client:
        await _check_presets(client, job.presets)
        items = [await _version(client, task_id, job) for task_id in dict.fromkeys(task_ids)]
        return await _run(client, items, job, console)


async def _version(client: AsyncClient, task_id: int, job: Job) -> Request | Missing:
    try:
        task = await client.get(task_id)
    except errors.NotFound as error:
        return Missing(f"task {task_id}", error.message)
    name = task.input.filename or f"task-{task_id}"
    options = replace(task.options, **{**_cleared(job.changes), **job.changes})
    if options.engine is Engine.UNKNOWN or any(hint.kind is HintKind.UNKNOWN for hint in options.hints):
        return Missing(f"task {task_id}", "it has options newer than this client; name --engine, or upgrade whitebg")
    outputs = _outputs(options, job)
    return Request(name=name, source=task_id, outputs=outputs, mask=job.mask, drop_mask=job.drop_mask)


def _cleared(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of those earlier options that the named ones exclude, and that can't be unset by name."""
    cleared: dict[str, Any] = {}
    if "fill" in changes:
        cleared["margin"] = None
    if "margin" in changes:
        cleared["fill"] = None
    if changes.get("content", Content.PICTURE) is not Content.PICTURE:
        cleared["background"] = None
    if changes.get("content") is Content.MASK:
        cleared["shadow"] = Shadow.NONE
    return cleared


def _outputs(options: TaskOptions, job: Job) -> Sequence[TaskOptions]:
    return [replace(options, preset=preset) for preset in dict.fromkeys(job.presets)] or [options]


def _item(photo: Path | NoPhotos, job: Job) -> Request | Missing:
    if isinstance(photo, NoPhotos):
        return Missing(photo.argument, str(photo))
    return Request(name=photo.name, source=photo, outputs=_outputs(job.options, job), mask=job.mask)


async def _run(client: AsyncClient, items: Sequence[Item], job: Job, console: Console) -> bool:
    reporter = reporter_for(console, as_json=job.as_json)
    batch = Batch(client, reporter, out=job.out, force=job.force, reuse=job.reuse, run_at=job.run_at)
    try:
        with reporter if isinstance(reporter, LiveReporter) else contextlib.nullcontext():
            outcomes = await batch.run(items)
    except asyncio.CancelledError:
        left_behind(output.console(stderr=True), batch.under_way, batch.batch_id)
        raise
    if not job.as_json:
        print_summary(console, outcomes)
    return all(outcome.ok for outcome in outcomes)


def _check_mask(job: Job, photos: int) -> None:
    if job.mask is not None and photos != 1:
        raise Problem(f"one mask can't be used for {photos} photos", "name a single photo or task with --mask")


async def _check_presets(client: AsyncClient, presets: Sequence[str]) -> None:
    """Check the names before anything is sent: otherwise each photo would be rejected for the same reason."""
    if not presets:
        return
    known = [preset.name for preset in await client.presets()]
    for name in presets:
        if name not in known:
            raise Problem(f"there is no preset {name!r}", f"--preset takes one of: {', '.join(known)}")


def left_behind(console: Console, task_ids: list[int], batch_id: str) -> None:
    """Report tasks that continue without being waited for."""
    if task_ids:
        ids = " ".join(map(str, task_ids))
        console.print(Text(f"\nstopped waiting; {len(task_ids)} submitted go on without you: {ids}"), soft_wrap=True)
        console.print(Text(f"fetch them: whitebg download {ids} --out DIR"), soft_wrap=True)
        console.print(Text(f"stop them:  whitebg cancel --batch {batch_id}"), soft_wrap=True)
    else:
        console.print(Text("\nstopped; nothing is under way"))
