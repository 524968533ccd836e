"""Check that all distributions have the same version: ``python tools/check_version.py [TAG]``.

With a tag such as ``v0.2.0``, the version must match the tag and have a section in CHANGELOG.md.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r'"(whitebg[\w-]*(?:\[\w+\])?)==([^"]+)"')
"""A distribution of ours that another one requires."""


def main(arguments: list[str]) -> int:
    """Print problems; return the exit status."""
    problems = list(disagreements(ROOT, arguments[0] if arguments else None))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def disagreements(root: Path, tag: str | None = None) -> Iterator[str]:
    """Yield a message for each version that differs from the first one, and for a tag that does not match."""
    found = versions(root)
    wanted = found[next(iter(found))]
    for file, version in found.items():
        if version != wanted:
            yield f"{file} has version {version}, {next(iter(found))} has {wanted}; they are released together"
    if tag is None:
        return
    if tag != f"v{wanted}":
        yield f"the tag {tag} doesn't name version {wanted}; push v{wanted}, or change the version"
    lines = (root / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    if not any(line.startswith(f"## [{wanted}]") for line in lines):
        yield f"CHANGELOG.md has no section '## [{wanted}]'"


def versions(root: Path) -> dict[str, str]:
    """Return the versions that published packages declare for themselves and for one another, by the place."""
    found = {}
    for file in [root / "pyproject.toml", *sorted(root.glob("clients/*/pyproject.toml"))]:
        name, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
        found[name] = tomllib.loads(text)["project"]["version"]
        for package, version in _PIN.findall(text):
            found[f"{name}, for {package},"] = version
    for file in sorted(root.glob("clients/*/package.json")):
        package = json.loads(file.read_text(encoding="utf-8"))
        if not package.get("private", False):
            found[file.relative_to(root).as_posix()] = package["version"]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
