"""Lint the TypeScript client and the page by ``clients/eslint.config.js``; with ``--fix``, fix problems if possible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.node import find_node  # noqa: E402 - the repository is no installed package

CLIENTS = ROOT / "clients"
OLDEST_NODE = 22
"""Required by ESLint and the page's other tools."""


def main(arguments: list[str]) -> int:
    """Print the problems; return the exit status."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    command = [*node.npm, "run", "--silent", "lint", "--", *arguments]
    return subprocess.run(command, cwd=CLIENTS, env=node.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
