"""`whitebg usage` and `whitebg admin usage`: amounts by day, as a table, JSON lines or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson
from whitebg.cli.operator import run
from whitebg.cli.problems import Problem
from whitebg.v1 import admin_service_pb2, usage_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.wire import Wire
from whitebg_process.usage_table import usage_row, write_csv

First = Annotated[
    str, typer.Option("--from", metavar="DAY", help="First day, in UTC, as YYYY-MM-DD; that of the month if not set.")
]
Last = Annotated[str, typer.Option("--to", metavar="DAY", help="Last day, inclusive; today if not set.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV to this file; - for the output.")]


def usage(context: typer.Context, first: First = "", last: Last = "", csv: Csv = None, as_json: AsJson = False) -> None:
    """Show your own usage by day."""

    async def work(wire: Wire) -> None:
        request = pb.GetUsageRequest(first_day=first, last_day=last)
        found = await wire.call(wire.stub.GetUsage, request)
        _show(found.usage, csv, as_json=as_json)

    run(context, work, scopes=("tasks",))


def admin_usage(
    context: typer.Context,
    first: First = "",
    last: Last = "",
    user: Annotated[str, typer.Option("--of", metavar="USER", help="Only this user.")] = "",
    csv: Csv = None,
    as_json: AsJson = False,
) -> None:
    """Show the usage of all users by day. Deleted users are added up in one row without a name."""

    async def work(wire: Wire) -> None:
        found: list[usage_pb2.DayUsage] = []
        request = admin_service_pb2.AdminServiceGetUsageRequest(first_day=first, last_day=last, user_id=user)
        async for page in wire.pages(wire.admin_stub.GetUsage, request):
            found += page.usage
        _show(found, csv, as_json=as_json)

    run(context, work)


def _show(found: Sequence[usage_pb2.DayUsage], csv: Path | None, *, as_json: bool) -> None:
    console = output.console()
    if csv is not None:
        _write(found, csv)
    elif as_json:
        for each in found:
            console.file.write(output.to_json(usage_row(each), console.file) + "\n")
    else:
        console.print(usage_table(found))


def usage_table(found: Iterable[usage_pb2.DayUsage]) -> Table:
    """Return usage as a table; a narrow one folds its columns, but never a day."""
    table = Table(Column("day", min_width=len("2026-12-01"), no_wrap=True), box=None)
    for heading in ("user", "photos", "results", "engine s", "Gemini calls", "tokens", "MiB in", "MiB out"):
        table.add_column(heading, overflow="fold")
    for each in found:
        seconds = sum(spent.time.ToTimedelta().total_seconds() for spent in each.engine_times)
        tokens = each.gemini_input_tokens + each.gemini_output_tokens
        amounts = (each.photos, each.results, f"{seconds:.1f}", each.gemini_calls, tokens)
        sizes = (f"{size / 2**20:.1f}" for size in (each.bytes_in, each.bytes_out))
        table.add_row(*map(Text, map(str, (each.day, each.user_id, *amounts, *sizes))))
    return table


def _write(found: Sequence[usage_pb2.DayUsage], csv: Path) -> None:
    if str(csv) == "-":
        write_csv(found, output.console().file)
        return
    try:
        with csv.open("w", encoding="utf-8", newline="") as file:
            write_csv(found, file)
    except OSError as error:
        raise Problem(f"{csv} can't be written: {error.strerror}", "name another file with --csv") from error
