"""The TypeScript client: its own tests, and its build under Node against the real gateway and service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import CLIENTS
from tests.e2e.page.stack import running_stack
from tests.support.api import token
from tests.support.nginx import nginx_program
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import free_port, program
from tools.node import Node

PACKAGE = CLIENTS / "typescript"
PHOTO = product_photo(1600, 1200)
"""A tiny cut-out may be finished before its progress is sent."""
SCRIPT = Path(__file__).with_name("typescript") / "client.mjs"


def run(node: Node, *argv: str) -> str:
    """Run a script in the package; return its output."""
    ran = subprocess.run(
        [node.node, *argv],
        cwd=PACKAGE,
        env=node.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_its_own_tests(node: Node) -> None:
    run(node, str(CLIENTS / "node_modules" / "vitest" / "vitest.mjs"), "run")


@contextmanager
def prefixing_proxy(folder: Path, port: int) -> Iterator[str]:
    """Run nginx in front of a gateway, under a path prefix that it strips; yield its address."""
    own = free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"""
        pid {folder}/nginx.pid;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder};
            proxy_temp_path {folder};
            fastcgi_temp_path {folder};
            uwsgi_temp_path {folder};
            scgi_temp_path {folder};
            server {{
                listen 127.0.0.1:{own};
                location /tools/photos/ {{
                    proxy_pass http://127.0.0.1:{port}/;
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}
        """
    )
    options = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with program([nginx_program(), *options, "-g", "daemon off; error_log stderr notice;"]) as proxy:
        proxy.wait_for("start worker process ")
        yield f"http://127.0.0.1:{own}/tools/photos"


@pytest.mark.parametrize("prefixed", [False, True], ids=["at the root", "below a path"])
def test_the_built_client_submits_and_follows_a_photo_without_polling(
    node: Node, tmp_path: Path, *, prefixed: bool
) -> None:
    dist = tmp_path / "dist"
    tsc = str(CLIENTS / "node_modules" / "typescript" / "bin" / "tsc")
    run(node, tsc, "-p", "tsconfig.build.json", "--outDir", str(dist))
    # Compiled code resolves its imports from its own folder.
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    photo = tmp_path / "mug.png"
    photo.write_bytes(PHOTO)

    with ExitStack() as running:
        stack = running.enter_context(running_stack(tmp_path / "data"))
        url = stack.url
        if prefixed:
            url = running.enter_context(prefixing_proxy(tmp_path / "nginx", stack.http_port))
        said = json.loads(run(node, str(SCRIPT), str(dist / "index.js"), url, token("ann"), str(photo)))

    assert (said["status"], said["filename"]) == ("completed", "mug.png")
    assert said["updates"]
    assert set(said["updates"]) <= {"pending", "processing"}
    assert said["picture"]["status"] == 200
    assert said["picture"]["type"].startswith("image/")
    result, input_file = said["files"]
    assert (result["name"], input_file["name"]) == ("mug-white.png", "mug.png")
    assert (result["type"], input_file["size"]) == ("image/png", len(PHOTO))
    assert said["invalid"] == "TypeError"
    assert said["skew"] < 10_000, "milliseconds, of the same machine"
    assert said["listed"] == [said["taskId"]]
    assert said["retried"] > said["taskId"]
    assert said["socketToken"]
    assert said["refused"] == {"status": 404, "code": "task_not_found"}
    assert said["polls"] == 0
    assert said["states"] == ["connecting", "connected", "closed"]
    assert said["latency"]["count"] > 0
