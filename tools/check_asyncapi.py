"""Check ws_gateway/asyncapi.yaml against the official JSON schema of AsyncAPI 3.0.

The schema is the one that the AsyncAPI project publishes on npm, pinned by tools/asyncapi/package-lock.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "ws_gateway" / "asyncapi.yaml"
PACKAGE = ROOT / "tools" / "asyncapi"
SCHEMA = PACKAGE / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"


def main() -> int:
    """Print the problems; return the exit status."""
    if not SCHEMA.exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix", str(PACKAGE)]
        subprocess.run(command, check=True)
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    errors = list(validator.iter_errors(yaml.safe_load(DOCUMENT.read_text())))
    for error in errors:
        print(f"{DOCUMENT.name}: {'/'.join(map(str, error.instance_path)) or '(root)'}: {error.message[:300]}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
