"""Check the TypeScript client: types of the HTTP API as the gateway has them, tsc, size; with ``--test`` run its tests.

``--write`` makes the types anew, in place of checking them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.node import Node, find_node  # noqa: E402 - needs the path above
from ws_gateway.app import create_app  # noqa: E402
from ws_gateway.settings import Settings  # noqa: E402

CLIENTS = ROOT / "clients"
PACKAGE = CLIENTS / "typescript"
TYPES = PACKAGE / "src" / "generated" / "openapi.ts"
OLDEST_NODE = 22


def main(arguments: list[str]) -> int:
    """Print what is wrong; return how the process is to end."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    if "--write" in arguments:
        TYPES.parent.mkdir(exist_ok=True)
        TYPES.write_text(generated_types(node))
        return 0
    if "--test" in arguments:
        return run(node, "vitest/vitest.mjs", "run")
    if TYPES.read_text() != generated_types(node):
        print(
            f"{TYPES.relative_to(ROOT)} is not what the gateway's API gives: run `python tools/check_client.py --write`"
        )
        return 1
    return build(node) or subprocess.run([node.node, "size.mjs"], cwd=PACKAGE, env=node.environment).returncode


def build(node: Node) -> int:
    """Check the types of everything, and compile the package to ``dist``."""
    return run(node, "typescript/bin/tsc") or run(node, "typescript/bin/tsc", "-p", "tsconfig.build.json")


def run(node: Node, script: str, *arguments: str) -> int:
    """Run a program of ``node_modules`` in the package."""
    argv = [node.node, str(CLIENTS / "node_modules" / script), *arguments]
    return subprocess.run(argv, cwd=PACKAGE, env=node.environment).returncode


def generated_types(node: Node) -> str:
    """Return the types of the gateway's HTTP API as it is now."""
    settings = Settings(jwt_secret="0" * 64, _env_file=None)  # type: ignore[call-arg]  # known to pydantic-settings alone
    with tempfile.TemporaryDirectory() as folder:
        schema, types = Path(folder, "openapi.json"), Path(folder, "openapi.ts")
        schema.write_text(json.dumps(create_app(settings).openapi()))
        script = CLIENTS / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        argv = [node.node, str(script), str(schema), "--output", str(types)]
        subprocess.run(argv, cwd=PACKAGE, env=node.environment, check=True, stdout=subprocess.DEVNULL)
        return types.read_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
