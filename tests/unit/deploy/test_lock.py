"""The lock of the image's dependencies matches both pyproject.toml and constraints.txt, and every file has a hash."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import BUILD

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "deploy" / "requirements.txt").read_text()
PINNED = re.findall(r"^([\w.-]+)(?:\[.+?\])?==(\S+)", LOCK, re.MULTILINE)
LOCKED = {canonicalize_name(name): version for name, version in PINNED}
OWN = {"whitebg", "whitebg-server"}
IMAGE = {"python_version": "3.11", "python_full_version": "3.11.14", "sys_platform": "linux", "extra": ""}
"""The image's environment, as far as it may differ from that of the tests."""


def declared() -> list[Requirement]:
    server, client = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text()) for folder in (".", "clients/python")
    )
    texts = [*server["project"]["dependencies"], *server["project"]["optional-dependencies"]["otel"]]
    texts += [*client["project"]["dependencies"], BUILD]
    for project in (server, client):
        assert project["build-system"]["requires"] == [BUILD]
    return [each for each in map(Requirement, texts) if each.name not in OWN]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_declared_dependency_is_locked_at_a_version_that_fits(requirement: Requirement) -> None:
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not locked; run: .venv/bin/python tools/lock.py"
    assert requirement.specifier.contains(version, prereleases=True), f"locked is {version}"


def test_versions_are_those_that_the_tests_run_with() -> None:
    constraints = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {canonicalize_name(name): version for name, version in constraints.items()}
    shared = LOCKED.keys() & pinned.keys()
    assert len(shared) > 50
    assert {name: LOCKED[name] for name in shared} == {name: pinned[name] for name in shared}


def test_every_file_has_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.partition("\n")[2].strip())
    assert len(entries) == len(LOCKED)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_dependencies_of_dependencies_are_locked() -> None:
    missing = {
        f"{name} needs {requirement}"
        for name in LOCKED
        for requirement in _requirements(name)
        if canonicalize_name(requirement.name) not in LOCKED
    }
    assert missing == set()


def _requirements(name: str) -> list[Requirement]:
    """Return what an installed distribution requires without any extra; nothing for those not installed here."""
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = map(Requirement, texts)
    return [each for each in found if each.marker is None or each.marker.evaluate(IMAGE)]
