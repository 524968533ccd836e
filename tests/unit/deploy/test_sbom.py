"""The image's bill of materials: current, complete, and without the tools of the build."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.deploy.test_lock import PINNED
from tools.sbom import TARGET, bill, page_packages

BILL: dict[str, Any] = json.loads(TARGET.read_text())
PURLS = {component["purl"] for component in BILL["components"]}


def test_bill_is_current() -> None:
    assert bill() == TARGET.read_text(), "run: .venv/bin/python tools/sbom.py"


def test_every_locked_package_is_listed() -> None:
    assert {f"pkg:pypi/{name.lower().replace('_', '-')}@{version}" for name, version in PINNED} <= PURLS


@pytest.mark.parametrize("name", ["react", "react-dom", "scheduler", "%40mantine/core", "%40tanstack/query-core"])
def test_packages_of_the_page_are_listed_with_what_they_need(name: str) -> None:
    assert [purl for purl in PURLS if purl.startswith(f"pkg:npm/{name}@")]


@pytest.mark.parametrize("name", ["vite", "vitest", "typescript", "eslint", "axe-core"])
def test_tools_of_the_build_are_not_listed(name: str) -> None:
    assert not [purl for purl in PURLS if purl.startswith(f"pkg:npm/{name}@")]


def test_nested_package_is_found_where_node_finds_it() -> None:
    def package(version: str, **fields: Any) -> dict[str, Any]:
        return {"version": version, "integrity": "sha512-AAAA"} | fields

    packages = {
        "node_modules/a": package("1.0.0", dependencies={"b": "^2"}),
        "node_modules/b": package("1.0.0"),
        "node_modules/a/node_modules/b": package("2.0.0", peerDependencies={"c": "*", "d": "*"}),
        "node_modules/c": package("3.0.0"),
        "node_modules/unused": package("4.0.0"),
    }
    found = {str(each.purl) for each in page_packages({"packages": packages}, {"a", "node:fs"})}
    assert found == {"pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/c@3.0.0"}
