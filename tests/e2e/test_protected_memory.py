"""The environment of our processes holds secrets, which no other process of the same user can read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.api import SECRET
from tests.support.processes import program
from tests.support.unprivileged import module, read_environment


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize(
    ("command", "ready"),
    [
        (("generator_service", "serve"), '"message": "serving"'),
        (("ws_gateway",), "listening on http"),
        (("whitebg", "up"), "whitebg is running"),
    ],
    ids=["service", "gateway", "up"],
)
def test_the_environment_of_a_running_process_is_protected(
    tmp_path: Path, command: tuple[str, ...], ready: str
) -> None:
    settings = {
        "data_dir": str(tmp_path),
        "jwt_secret": SECRET,
        "grpc_port": "0",
        "http_port": "0",
        "worker_slots": "0",
        "grpc_target": "127.0.0.1:9",
    }
    with program(module(*command), **settings) as process:
        process.wait_for(ready)

        found = read_environment(process.pid)

    assert found.returncode != 0
    assert "PermissionError" in found.stderr
    assert SECRET not in found.stdout
