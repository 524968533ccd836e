"""Lint the TypeScript client and the page by ``clients/eslint.config.js``; with ``--fix``, mend what can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.node import find_node  # noqa: E402 - the repository is no installed package

CLIENTS = ROOT / "clients"
OLDEST_NODE = 22
"""What ESLint asks for, and the page's other tools."""


def main(arguments: list[str]) -> int:
    """Print what is wrong; return how the process is to end."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    command = [*node.npm, "run", "--silent", "lint", "--", *arguments]
    return subprocess.run(command, cwd=CLIENTS, env=node.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
