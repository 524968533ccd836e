"""Runs the service's own commands: it is another program, and nothing of it is imported here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from whitebg.cli.datadir import DataDir
from whitebg.cli.problems import Problem


def require_server() -> None:
    """Check that service and gateway are installed.

    Raises:
        Problem: they are not.

    """
    if find_spec("generator_service") is None or find_spec("ws_gateway") is None:
        raise Problem("only the client of whitebg is installed", "pip install 'whitebg[server]'")


def run_service_command(folder: DataDir, arguments: Sequence[str]) -> int:
    """Run ``python -P -m generator_service`` as `whitebg up` would: with this environment; return the exit status.

    Raises:
        Problem: the service is not installed.

    """
    require_server()
    environment = os.environ | {"WHITEBG_DATA_DIR": str(folder.path)}
    command = [sys.executable, "-P", "-m", "generator_service", *arguments]
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  our own command
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # The terminal sends it to both: the command ends, and prints the next steps.
