"""`whitebg backup` and `whitebg restore`: run the service's own commands on the data folder of `whitebg up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whitebg.cli.connection import ConnectionOptions
from whitebg.cli.datadir import DataDir
from whitebg.cli.service import run_service_command


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the backup; an earlier backup there is updated.")],
) -> None:
    """Copy database, images and signing secret to a folder. The service may be running."""
    raise typer.Exit(run_service_command(_folder(context), ["backup", str(folder)]))


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that `whitebg backup` wrote.")],
    replace: Annotated[bool, typer.Option(help="Replace the database that is there.")] = False,
) -> None:
    """Restore a backup. The service must be stopped."""
    arguments = ["restore", str(folder), *(["--replace"] if replace else [])]
    raise typer.Exit(run_service_command(_folder(context), arguments))


def _folder(context: typer.Context) -> DataDir:
    options: ConnectionOptions = context.obj
    return DataDir(options.data_dir)
