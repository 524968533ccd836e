"""Lint deployment files without a container engine: the Dockerfile, compose.yaml, the Kubernetes manifests.

hadolint and the Kubernetes schemas come from PyPI, the linter of compose files from npm (tools/compose).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.node import find_node  # noqa: E402 - the repository is no installed package

DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "tools" / "compose"
OLDEST_NODE = 22
KUBERNETES = "1.34"


def main() -> int:
    """Print the problems; return the exit status."""
    failed = subprocess.run([Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile"], check=False).returncode
    node = find_node(OLDEST_NODE)
    node.install(COMPOSE)
    linter = COMPOSE / "node_modules" / "dclint" / "bin" / "dclint.cjs"
    # Check the schema and for mistakes, but not the order of keys.
    argv = [node.node, str(linter), "--quiet", str(DEPLOY / "compose.yaml")]
    failed |= subprocess.run(argv, env=node.environment, check=False).returncode
    for problem in manifest_problems():
        print(problem)
        failed = 1
    return 1 if failed else 0


def manifest_problems() -> Iterator[str]:
    """Yield violations of the Kubernetes schemas in the manifests."""
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        if path.name == "kustomization.yaml":  # Part of kubectl, not of the cluster's API.
            continue
        for manifest in yaml.safe_load_all(path.read_text()):
            name = f"{path.name}: {manifest['kind']} {manifest['metadata']['name']}"
            try:
                kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
            except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
                yield f"{name}: {error}"


if __name__ == "__main__":
    sys.exit(main())
