"""`whitebg submit`: the one way in which photos are put through, from the command line and from `up --try`."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from rich.console import Console
from rich.text import Text

from whitebg.cli.batch import Batch
from whitebg.cli.connection import Connection, connected
from whitebg.cli.display import LiveReporter, print_summary, reporter_for
from whitebg.cli.photos import expand
from whitebg.cli.problems import Problem
from whitebg.models import TaskOptions


async def submit_photos(
    connection: Connection,
    arguments: list[str],
    *,
    out: Path,
    options: TaskOptions,
    force: bool,
    reuse: bool = False,
    as_json: bool,
    console: Console,
) -> bool:
    """Put photos through and show how it goes; return whether every one came out.

    Raises:
        Problem: nothing answers, or ``out`` can't be written.
        WhitebgError: the service refuses us altogether.

    """
    try:
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"the folder {out} can't be made: {error.strerror}", "name another with --out") from error
    photos = await asyncio.to_thread(lambda: list(expand(arguments)))
    async with connected(connection) as client:
        reporter = reporter_for(console, as_json=as_json)
        batch = Batch(client, reporter, out=out, options=options, force=force, reuse=reuse)
        try:
            with reporter if isinstance(reporter, LiveReporter) else contextlib.nullcontext():
                outcomes = await batch.run(photos)
        except asyncio.CancelledError:
            left_behind(Console(stderr=True, highlight=False), batch.under_way)
            raise
    if not as_json:
        print_summary(console, outcomes)
    return all(outcome.ok for outcome in outcomes)


def left_behind(console: Console, task_ids: list[int]) -> None:
    """Say what becomes of tasks that nobody waits for any more."""
    if task_ids:
        ids = " ".join(map(str, task_ids))
        console.print(Text(f"\nstopped waiting; {len(task_ids)} submitted go on without you: {ids}"), soft_wrap=True)
        console.print(Text(f"fetch them: whitebg download {ids} --out DIR"), soft_wrap=True)
        console.print(Text(f"stop them:  whitebg cancel {ids}"), soft_wrap=True)
    else:
        console.print(Text("\nstopped; nothing is under way"))
