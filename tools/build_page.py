"""Build the page from ``clients/web`` into ``ws_gateway/static``; with ``--check``, report whether it is up to date.

The built page is committed, so that running whitebg does not need Node.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.node import find_node  # noqa: E402 - the repository is no installed package

CLIENTS = ROOT / "clients"
BUILT = ROOT / "ws_gateway" / "static"
OLDEST_NODE = 22
"""Required by Vite and Vitest."""
MOST_BYTES = 1_000_000


def build(folder: Path) -> None:
    """Build the page into a folder."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    command = [*node.npm, "run", "--silent", "build", "--workspace", "web", "--", "--outDir", str(folder)]
    subprocess.run(command, cwd=CLIENTS, env=node.environment, check=True, timeout=600)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> int:
    """Build, or check; return the exit status."""
    if "--check" not in sys.argv[1:]:
        build(BUILT)
        print(f"built {sum(map(len, contents(BUILT).values())):,} bytes")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        build(Path(temporary) / "static")
        expected = contents(Path(temporary) / "static")
    found = contents(BUILT)
    if different := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        print(f"the built page is not that of clients/web: {', '.join(different)}; run: make page", file=sys.stderr)
        return 1
    if (size := sum(map(len, found.values()))) > MOST_BYTES:
        print(f"the built page has {size:,} bytes, over the {MOST_BYTES:,} allowed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
