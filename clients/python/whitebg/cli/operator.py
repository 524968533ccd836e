"""What the operators' commands have in common: the connection, durations and JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from whitebg.cli import output
from whitebg.cli.connection import resolve
from whitebg.cli.problems import Problem
from whitebg.errors import WhitebgError
from whitebg.wire import Wire
from whitebg_process.backoff import Backoff
from whitebg_process.durations import parse_duration

TIMEOUT = 60.0
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]


@contextlib.asynccontextmanager
async def _wire(context: typer.Context, scopes: tuple[str, ...]) -> AsyncIterator[Wire]:
    connection = resolve(context.obj, scopes=scopes)
    wire = Wire(connection.target, connection.token, tls=connection.tls or False, timeout=TIMEOUT, backoff=Backoff())
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

    try:
        asyncio.run(call())
    except WhitebgError as error:
        raise Problem(error.message) from error


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
