"""Write deploy/sbom.json: the image's software bill of materials in CycloneDX, or check that it is up to date.

Python packages are those of deploy/requirements.txt; packages of the page are those that its source imports, with all
that these depend on, from clients/package-lock.json. The base image's own packages are not part of it.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "deploy" / "sbom.json"
_PINNED = re.compile(r"^([\w.-]+)(?:\[.+?\])?==(\S+)", re.MULTILINE)
_IMPORT = re.compile(r"""(?:from|import)\s+["']((?:@[\w.-]+/)?[\w.-]+)[^"']*["']""")
_OWN = "@whitebg/client"


def python_packages(lock: str) -> Iterator[Component]:
    """Yield the packages of a locked requirements file."""
    for name, version in _PINNED.findall(lock):
        yield _library(PackageURL("pypi", name=name, version=version))


def page_packages(lock: Mapping[str, Any], imported: set[str]) -> Iterator[Component]:
    """Yield the imported packages and all that they depend on; ``lock`` is npm's."""
    packages: Mapping[str, Any] = lock["packages"]
    waiting = sorted(path for name in imported if (path := f"node_modules/{name}") in packages)
    found: set[str] = set()
    while waiting:
        if (path := waiting.pop()) in found:
            continue
        found.add(path)
        optional = packages[path].get("peerDependenciesMeta", {})
        peers = [name for name in packages[path].get("peerDependencies", {}) if name not in optional]
        needed = [*packages[path].get("dependencies", {}), *peers]
        waiting += [at for name in needed if (at := _resolve(packages, path, name)) is not None]
    for path in sorted(found):
        entry = packages[path]
        if entry.get("link"):
            continue
        group, _, name = path.rpartition("node_modules/")[2].rpartition("/")
        purl = PackageURL("npm", namespace=group or None, name=name, version=entry["version"])
        yield _library(purl, HashType(alg=HashAlgorithm.SHA_512, content=_sha512(entry["integrity"])))


def _library(purl: PackageURL, *hashes: HashType) -> Component:
    return Component(
        bom_ref=str(purl),
        name=purl.name,
        group=purl.namespace,
        version=purl.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        hashes=hashes,
    )


def _resolve(packages: Mapping[str, Any], path: str, name: str) -> str | None:
    """Return the path at which a package finds another, as Node resolves it; None for one that is not installed."""
    folder = path
    while folder:
        if (at := f"{folder}/node_modules/{name}") in packages:
            return at
        folder = folder.rpartition("/node_modules/")[0]
    return at if (at := f"node_modules/{name}") in packages else None


def _sha512(integrity: str) -> str:
    return base64.b64decode(integrity.removeprefix("sha512-")).hex()


def imported_packages(*folders: Path) -> set[str]:
    """Return the names of all packages that the source in these folders imports."""
    sources = (file for folder in folders for file in folder.rglob("*.ts*"))
    return {name for file in sources for name in _IMPORT.findall(file.read_text())} - {_OWN}


def bill() -> str:
    """Return the bill of materials as JSON; the same for the same locks."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    clients = ROOT / "clients"
    imported = imported_packages(clients / "web" / "src", clients / "typescript" / "src")
    lock = json.loads((clients / "package-lock.json").read_text())
    components = [
        *python_packages((ROOT / "deploy" / "requirements.txt").read_text()),
        *page_packages(lock, imported),
    ]
    names = " ".join(sorted(str(each.purl) for each in components))
    bom = Bom(components=components, serial_number=uuid5(NAMESPACE_URL, names))
    image = Component(bom_ref="whitebg", name="whitebg", version=version, type=ComponentType.CONTAINER)
    bom.metadata.component = image
    bom.register_dependency(image, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # The time of its making would make each bill differ from the one before.
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=1) + "\n"


def main() -> int:
    """Write the file, or with ``--check`` compare it; return the exit status."""
    found = bill()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(found)
        return 0
    if TARGET.exists() and TARGET.read_text() == found:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is outdated; run: .venv/bin/python tools/sbom.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
