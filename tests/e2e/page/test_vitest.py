"""The page's own unit tests, as part of ours."""

from __future__ import annotations

import subprocess

from tests.e2e.page.visitor import CLIENTS
from tests.support.node import find_node


def test_the_pure_parts_of_the_page() -> None:
    node = find_node(oldest=22)
    node.install(CLIENTS)
    command = [*node.npm, "test", "--silent", "--workspace", "web"]
    run = subprocess.run(
        command, cwd=CLIENTS, env=node.environment, capture_output=True, text=True, check=False, timeout=170
    )
    assert run.returncode == 0, run.stdout + run.stderr
