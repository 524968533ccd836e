"""Run the page's own unit tests."""

from __future__ import annotations

import subprocess

from tests.e2e.page.visitor import CLIENTS
from tools.node import Node


def test_the_pure_parts_of_the_page(node: Node) -> None:
    command = [*node.npm, "test", "--silent", "--workspace", "web"]
    run = subprocess.run(
        command, cwd=CLIENTS, env=node.environment, capture_output=True, text=True, check=False, timeout=270
    )
    assert run.returncode == 0, run.stdout + run.stderr
