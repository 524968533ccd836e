"""`whitebg doctor`: runs the service's own checks of its environment."""

from __future__ import annotations

from whitebg.cli.datadir import DataDir
from whitebg.cli.service import run_service_command


def run_doctor(folder: DataDir, *, as_json: bool) -> int:
    """Print the findings; return 1 if there is a problem, 2 if a setting is invalid."""
    return run_service_command(folder, ["doctor", *(["--json"] if as_json else [])])
