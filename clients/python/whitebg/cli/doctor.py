"""`whitebg doctor`: has the service's own code look at what it would run with."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from whitebg.cli.datadir import DataDir


def see_doctor(folder: DataDir, *, as_json: bool) -> int:
    """Print what is found; return 1 if anything is wrong, 2 if a setting can't be used.

    The service is another program, so it is run: with the environment of this one, as `whitebg up` would.
    """
    # The settings want a secret; nothing is signed here, so any will do.
    secret = os.environ.get("WHITEBG_JWT_SECRET") or secrets.token_hex(32)
    environment = os.environ | {"WHITEBG_DATA_DIR": str(folder.path), "WHITEBG_JWT_SECRET": secret}
    command = [sys.executable, "-m", "generator_service", "doctor", *(["--json"] if as_json else [])]
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  our own command
