"""The common ground of commands: their connection, arguments that several of them take, and their exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from whitebg.cli.connection import Connection, ConnectionOptions, resolve
from whitebg.cli.problems import INTERRUPTED, Problem, file_problem
from whitebg.errors import WhitebgError

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
InBatch = Annotated[str | None, typer.Option("--batch", metavar="BATCH", help="The tasks of this batch.")]
_MAX_ID = 2**63 - 1
Ids = Annotated[list[int], typer.Argument(metavar="ID...", min=1, max=_MAX_ID, help="Task ids.")]
OptionalIds = Annotated[list[int] | None, typer.Argument(metavar="ID...", min=1, max=_MAX_ID, help="Task ids.")]
Out = Annotated[Path, typer.Option(help="Folder for the pictures; made if missing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
Force = Annotated[bool, typer.Option(help="Replace pictures that are there instead of numbering new ones.")]


def connection_options(context: typer.Context) -> ConnectionOptions:
    """Return the options that the root command read."""
    options: ConnectionOptions = context.obj
    return options


def connection(context: typer.Context, *, scopes: tuple[str, ...] = ("tasks",)) -> Connection:
    """Return where to connect, with a token that has ``scopes`` if it is created locally.

    Raises:
        Problem: there is nothing to connect to, or no token for it.

    """
    return resolve(connection_options(context), scopes=scopes)


def perform(work: Coroutine[Any, Any, bool | None]) -> None:
    """Run a command's work; False becomes the exit code 1.

    Raises:
        Problem: the service refused, or could not be reached, or a file can't be read or written.

    """
    try:
        fine = asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except WhitebgError as error:
        raise Problem(error.message) from error
    except BrokenPipeError:
        raise  # The reader of the output has enough: no problem to report.
    except OSError as error:
        raise Problem(file_problem(error)) from error
    if fine is False:
        raise typer.Exit(1)
