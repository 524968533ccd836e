"""`whitebg admin pause`, `resume`, `status` and `limit`: control of the queue."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from whitebg.cli import output
from whitebg.cli.commands import AsJson
from whitebg.cli.operator import Engine, duration, engine_name, engine_number, print_json, run
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.wire import Wire

app = typer.Typer()


@app.command()
def pause(
    context: typer.Context,
    engine: Engine = None,
    note: Annotated[str, typer.Option(help="Reason, shown to users whose tasks wait.")] = "",
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="End automatically after this time, such as 30m.")
    ] = None,
) -> None:
    """Stop claims. Running tasks continue, and new tasks wait."""
    request = pb.PauseQueueRequest(engine=engine_number(engine), note=note)
    if lasts is not None:
        request.lasts.FromTimedelta(duration(lasts))

    async def work(wire: Wire) -> None:
        _print_pause((await wire.call(wire.admin_stub.PauseQueue, request)).pause)

    run(context, work)


@app.command()
def resume(context: typer.Context, engine: Engine = None) -> None:
    """End a pause: that of all claims, or with --engine that of an engine. Shows the pauses that remain."""
    number = engine_number(engine)

    async def work(wire: Wire) -> None:
        before = await wire.call(wire.admin_stub.GetQueueControl, pb.GetQueueControlRequest())
        await wire.call(wire.admin_stub.ResumeQueue, pb.ResumeQueueRequest(engine=number))
        output.console().print("resumed" if any(each.engine == number for each in before.pauses) else "was not paused")
        for each in (await wire.call(wire.admin_stub.GetQueueControl, pb.GetQueueControlRequest())).pauses:
            _print_pause(each)

    run(context, work)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show pauses and limits of engines."""

    async def work(wire: Wire) -> None:
        found = await wire.call(wire.admin_stub.GetQueueControl, pb.GetQueueControlRequest())
        if as_json:
            print_json(found)
            return
        for each in found.pauses:
            _print_pause(each)
        for limit in found.limits:
            running = f"{limit.max_running} tasks at once" if limit.max_running else ""
            rate = f"{limit.starts_per_minute} starts per minute" if limit.starts_per_minute else ""
            limits = ", ".join(filter(None, (running, rate)))
            output.console().print(f"{engine_name(limit.engine)}: at most {limits}")
        if not found.pauses and not found.limits:
            output.console().print("no pause and no limit")

    run(context, work)


@app.command()
def limit(
    context: typer.Context,
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="local, gemini or neural.")],
    running: Annotated[int, typer.Option(min=0, help="Tasks at once, over all workers; 0 for no limit.")] = 0,
    per_minute: Annotated[int, typer.Option(min=0, help="Starts per minute; 0 for no limit.")] = 0,
) -> None:
    """Set the limits of an engine over all workers; without options, remove them."""
    value = pb.EngineLimit(engine=engine_number(engine), max_running=running, starts_per_minute=per_minute)

    async def work(wire: Wire) -> None:
        await wire.call(wire.admin_stub.SetEngineLimit, pb.SetEngineLimitRequest(limit=value))

    run(context, work)


def _print_pause(value: pb.QueuePause) -> None:
    what = "all claims" if value.engine == task_pb2.ENGINE_AUTO else engine_name(value.engine)
    end = f" until {value.ends_at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC" if value.HasField("ends_at") else ""
    output.console().print(Text(f"{what} paused{end}: {value.note}"), soft_wrap=True)
