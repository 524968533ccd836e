"""The common ground of operators' commands: calls, engines, durations, confirmation and JSON."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from whitebg.cli import output
from whitebg.cli.commands import connection, perform
from whitebg.cli.problems import Problem
from whitebg.v1 import task_pb2
from whitebg.wire import Wire
from whitebg_process.backoff import Backoff
from whitebg_process.durations import parse_duration

TIMEOUT = 60.0
Engine = Annotated[str | None, typer.Option(metavar="ENGINE", help="Only this engine: local, gemini or neural.")]


@contextlib.asynccontextmanager
async def _wire(context: typer.Context, scopes: tuple[str, ...]) -> AsyncIterator[Wire]:
    service = connection(context, scopes=scopes)
    wire = Wire(service.target, service.token, tls=service.tls or False, timeout=TIMEOUT, backoff=Backoff())
    try:
        yield wire
    finally:
        await wire.close()


def run(
    context: typer.Context, work: Callable[[Wire], Awaitable[None]], *, scopes: tuple[str, ...] = ("admin",)
) -> None:
    """Run a command's work with a connection whose token has ``scopes`` if it is created locally.

    Raises:
        Problem: the service refused, or could not be reached.

    """

    async def call() -> None:
        async with _wire(context, scopes) as wire:
            await work(wire)

    perform(call())


def duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        Problem: it is none.

    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Problem(f"{text!r} is no duration: {error}", "write 90s, 30m, 24h or 30d") from error


def print_json(message: Message) -> None:
    """Print a message as one line of JSON."""
    console = output.console()
    fields: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    console.file.write(output.to_json(fields, console.file) + "\n")


def engine_number(name: str | None) -> task_pb2.Engine.ValueType:
    """Return an engine's number; AUTO, which stands for all engines, without a name.

    Raises:
        Problem: there is no such engine.

    """
    if name is None:
        return task_pb2.ENGINE_AUTO
    try:
        return task_pb2.Engine.Value(f"ENGINE_{name.upper()}")
    except ValueError:
        raise Problem(f"{name!r} is not an engine", "use local, gemini or neural") from None


def engine_name(number: task_pb2.Engine.ValueType) -> str:
    """Return an engine's name as commands take it."""
    return task_pb2.Engine.Name(number).removeprefix("ENGINE_").lower()


def confirm(what: str, count: int, *, yes: bool) -> bool:
    """Announce a change of ``count`` things; return whether to make it: asked for unless ``yes``, never for none."""
    console = output.console()
    console.print(what)
    if not count:
        return False
    if not yes and not typer.confirm("Continue?"):
        console.print("nothing was changed")
        return False
    return True
