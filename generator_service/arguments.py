"""The arguments of ``python -P -m generator_service``."""

from __future__ import annotations

import argparse
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """Read the command line; ``command`` is one of its commands."""
    parser = argparse.ArgumentParser(
        prog="python -P -m generator_service", description="The whitebg generator service."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve gRPC and run tasks; settings come from WHITEBG_* variables")
    commands.add_parser("worker", help="only run tasks of the database that WHITEBG_DATABASE_URL names")
    rotate = "after a database was restored by other means, all processes stopped: give its log a new epoch"
    commands.add_parser("rotate-epoch", aliases=["restored"], help=rotate)
    _add_backup_arguments(commands.add_parser("backup", help="copy database, images and signing secret"))
    _add_restore_arguments(commands.add_parser("restore", help="restore a backup, all processes stopped"))
    commands.add_parser("adopt-images", help="bind the configured image store to this database, all services stopped")
    doctor = commands.add_parser("doctor", help="check everything that serving needs, and report problems")
    doctor.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    _add_models_arguments(commands.add_parser("models", help="list, install and remove larger networks"))
    return parser.parse_args()


def _add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the backup; an earlier one is updated")
    parser.add_argument("--only", choices=("database", "images"), help="leave out the other part")


def _add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder that `backup` wrote")
    parser.add_argument("--replace", action="store_true", help="replace the database that is there")


def _add_models_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="show which networks there are and which are installed")
    listing.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    installing = actions.add_parser("install", help="download a network, or copy it from a file, and check it")
    installing.add_argument("name", metavar="NAME")
    installing.add_argument("--from", dest="source", metavar="FILE|URL", help="another source than the default")
    installing.add_argument("--allow-unverified", action="store_true", help="accept weights with another checksum")
    removing = actions.add_parser("remove", help="delete an installed network")
    removing.add_argument("name", metavar="NAME")
