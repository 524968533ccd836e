"""The npm package: packed from a checkout without a build, complete, and typed for ESM."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import CLIENTS
from tests.support.patience import PATIENCE
from tools.node import Node


@pytest.fixture(scope="module")
def checkout(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client's sources, beside the installed packages."""
    folder = tmp_path_factory.mktemp("checkout") / "typescript"
    shutil.copytree(CLIENTS / "typescript", folder, ignore=shutil.ignore_patterns("dist", "node_modules", "*.tgz"))
    (folder.parent / "node_modules").symlink_to(CLIENTS / "node_modules")
    run(node, folder, *node.npm, "pack", "--silent")
    return folder


def run(node: Node, folder: Path, *argv: str) -> str:
    ran = subprocess.run(
        argv, cwd=folder, env=node.environment, capture_output=True, text=True, check=False, timeout=2 * PATIENCE
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def package(checkout: Path) -> Path:
    (found,) = checkout.glob("*.tgz")
    return found


def test_packing_builds_the_client(package: Path) -> None:
    with tarfile.open(package) as archive:
        names = set(archive.getnames())
        manifest = json.load(archive.extractfile("package/package.json"))  # type: ignore[arg-type]  # a regular file
    exported = {
        path for entry in manifest["exports"].values() for key, path in entry.items() if key != "whitebg-source"
    }
    assert {f"package/{path.removeprefix('./')}" for path in exported} <= names
    assert {"package/LICENSE", "package/README.md"} <= names
    assert not [name for name in names if name.startswith(("package/src", "package/tests"))]
    assert manifest["license"] == "MIT"
    assert manifest["repository"]["directory"] == "clients/typescript"


def test_publint_finds_nothing(node: Node, package: Path) -> None:
    script = CLIENTS / "node_modules" / "publint" / "src" / "cli.js"
    assert "All good!" in run(node, package.parent, node.node, str(script), "run", "--strict", package.name)


def test_types_resolve_for_esm(node: Node, package: Path) -> None:
    script = CLIENTS / "node_modules" / "@arethetypeswrong" / "cli" / "dist" / "index.js"
    run(node, package.parent, node.node, str(script), package.name, "--profile", "esm-only")
