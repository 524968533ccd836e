"""The TypeScript client: its own tests, and its build under Node against the real gateway and service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.page.stack import running_stack
from tests.support.api import TINY, token
from tests.support.node import Node, find_node

CLIENTS = Path(__file__).parents[2] / "clients"
PACKAGE = CLIENTS / "typescript"
SCRIPT = Path(__file__).with_name("typescript") / "client.mjs"
OLDEST_NODE = 22


@pytest.fixture(scope="module")
def node() -> Node:
    """Node, with all that the client is built and tested with."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    return node


def run(node: Node, *argv: str) -> str:
    """Run a script in the package; return what it printed."""
    ran = subprocess.run(
        [node.node, *argv], cwd=PACKAGE, env=node.environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.timeout(170)
def test_its_own_tests(node: Node) -> None:
    run(node, str(CLIENTS / "node_modules" / "vitest" / "vitest.mjs"), "run")


@pytest.mark.timeout(170)
def test_the_built_client_submits_and_follows_a_photo_without_polling(node: Node, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    tsc = str(CLIENTS / "node_modules" / "typescript" / "bin" / "tsc")
    run(node, tsc, "-p", "tsconfig.build.json", "--outDir", str(dist))
    # What is compiled finds what it imports from beside it.
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    photo = tmp_path / "mug.png"
    photo.write_bytes(TINY)

    with running_stack(tmp_path / "data") as stack:
        said = json.loads(run(node, str(SCRIPT), str(dist / "index.js"), stack.url, token("ann"), str(photo)))

    assert (said["status"], said["filename"]) == ("completed", "mug.png")
    assert said["updates"]
    assert set(said["updates"]) <= {"pending", "processing"}
    assert said["picture"]["status"] == 200
    assert said["picture"]["type"].startswith("image/")
    assert said["listed"] == [said["taskId"]]
    assert said["retried"] > said["taskId"]
    assert said["socketToken"]
    assert said["refused"] == {"status": 404, "code": "task_not_found"}
    assert said["polls"] == 0
    assert said["states"] == ["connecting", "connected", "closed"]
    assert said["latency"]["count"] > 0
