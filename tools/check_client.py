"""Check the TypeScript client: its types of the HTTP API match the gateway, it compiles, and it is small enough.

``--write`` regenerates the types instead of checking them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.node import Node, find_node  # noqa: E402 - the repository is no installed package
from ws_gateway.app import create_app  # noqa: E402
from ws_gateway.settings import Settings  # noqa: E402

CLIENTS = ROOT / "clients"
PACKAGE = CLIENTS / "typescript"
TYPES = PACKAGE / "src" / "generated" / "openapi.ts"
OLDEST_NODE = 22


def main(arguments: list[str]) -> int:
    """Print the problems; return the exit status."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    if "--write" in arguments:
        TYPES.parent.mkdir(exist_ok=True)
        TYPES.write_text(generated_types(node))
        return 0
    if TYPES.read_text() != generated_types(node):
        print(
            f"{TYPES.relative_to(ROOT)} is not what the gateway's API gives: run `python tools/check_client.py --write`"
        )
        return 1
    compiler = str(CLIENTS / "node_modules" / "typescript" / "bin" / "tsc")
    steps = ((compiler,), (compiler, "-p", "tsconfig.build.json"), ("size.mjs",))
    return next((status for step in steps if (status := run(node, *step))), 0)


def run(node: Node, *script: str) -> int:
    """Run a script in the package; return its exit status."""
    return subprocess.run([node.node, *script], cwd=PACKAGE, env=node.environment, check=False).returncode


def generated_types(node: Node) -> str:
    """Return the types generated from the gateway's current HTTP API."""
    settings = Settings(jwt_secret=SecretStr("0" * 64))
    with tempfile.TemporaryDirectory() as folder:
        schema, types = Path(folder, "openapi.json"), Path(folder, "openapi.ts")
        schema.write_text(json.dumps(create_app(settings).openapi()))
        script = CLIENTS / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        argv = [node.node, str(script), str(schema), "--output", str(types)]
        subprocess.run(argv, cwd=PACKAGE, env=node.environment, check=True, stdout=subprocess.DEVNULL)
        return types.read_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
