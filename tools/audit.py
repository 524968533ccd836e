"""``python tools/audit.py FOLDER``: compare deploy/sbom.json with a snapshot of advisories, without a network.

The snapshot is a folder with records in the OSV format, one a file, such as the unpacked ``all.zip`` that
https://osv.dev publishes for each ecosystem. Without one, the audit is skipped with a warning.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

SBOM = Path(__file__).resolve().parent.parent / "deploy" / "sbom.json"
_ECOSYSTEMS = {"pypi": "PyPI", "npm": "npm"}
SKIPPED = """
======================================================================
WARNING: dependencies were NOT audited: there is no advisory snapshot.
Unpack the records of https://osv.dev for PyPI and npm into a folder,
and name it: make audit ADVISORIES=FOLDER
======================================================================
"""

Package = tuple[str, str]
"""Ecosystem and name, as OSV spells them."""


def packages(sbom: Mapping[str, Any]) -> dict[Package, list[Version]]:
    """Return the versions of each package of a bill of materials."""
    found: dict[Package, list[Version]] = defaultdict(list)
    for component in sbom["components"]:
        ecosystem, _, rest = component["purl"].removeprefix("pkg:").partition("/")
        name, _, version = rest.rpartition("@")
        found[_package(_ECOSYSTEMS[ecosystem], unquote(name))].append(Version(version))
    return found


def _package(ecosystem: str, name: str) -> Package:
    return ecosystem, canonicalize_name(name) if ecosystem == "PyPI" else name


def affected(installed: Mapping[Package, Sequence[Version]], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each installed package that an advisory affects."""
    if "withdrawn" in record:
        return
    for entry in record.get("affected", ()):
        package = entry.get("package")
        if package is None:
            continue
        for version in installed.get(_package(package["ecosystem"], package["name"]), ()):
            if _listed(version, entry) or any(_within(version, each) for each in entry.get("ranges", ())):
                yield f"{package['name']} {version}: {record['id']} {record.get('summary', '')}".rstrip()


def _listed(version: Version, entry: Mapping[str, Any]) -> bool:
    return any(_version(each) == version for each in entry.get("versions", ()))


def _within(version: Version, affected_range: Mapping[str, Any]) -> bool:
    """Return whether a version is in a range: its events turn the advisory on and off, in the order of versions."""
    if affected_range["type"] == "GIT":
        return False
    inside = False
    for event in affected_range["events"]:
        ((kind, text),) = event.items()
        bound = Version("0") if text == "0" else _version(text)
        if bound is None:
            continue
        if kind == "introduced" and version >= bound:
            inside = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            inside = False
    return inside


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:  # A pre-release that only npm knows; no release of ours equals it.
        return None


def main() -> int:
    """Audit; return 1 if an advisory affects a package, 0 otherwise or without a snapshot."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
    records = [] if folder is None else sorted(folder.rglob("*.json"))
    if not records:
        print(SKIPPED, file=sys.stderr)
        return 0
    installed = packages(json.loads(SBOM.read_text()))
    found = [line for file in records for line in affected(installed, json.loads(file.read_text()))]
    print(f"{sum(map(len, installed.values()))} packages, {len(records)} advisories: {len(found)} apply")
    print("".join(f"  {line}\n" for line in sorted(set(found))), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
