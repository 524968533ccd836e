from __future__ import annotations

import json
from pathlib import Path

from tools.check_version import disagreements, versions


def repository(root: Path, *, npm: str = "0.2.0") -> Path:
    (root / "pyproject.toml").write_text('[project]\nname = "whitebg"\nversion = "0.2.0"\n')
    for folder, package in {"typescript": {"version": npm}, "web": {"private": True, "version": "0"}}.items():
        (root / "clients" / folder).mkdir(parents=True)
        (root / "clients" / folder / "package.json").write_text(json.dumps(package))
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-01-01\n")
    return root


def test_versions_leave_out_private_packages(tmp_path: Path) -> None:
    assert versions(repository(tmp_path)) == {"pyproject.toml": "0.2.0", "clients/typescript/package.json": "0.2.0"}


def test_a_fitting_tag_has_no_disagreements(tmp_path: Path) -> None:
    assert list(disagreements(repository(tmp_path), "v0.2.0")) == []


def test_a_package_left_behind_is_reported(tmp_path: Path) -> None:
    (problem,) = disagreements(repository(tmp_path, npm="0.1.0"))
    assert problem.startswith("clients/typescript/package.json has version 0.1.0")


def test_a_tag_of_another_version_is_reported(tmp_path: Path) -> None:
    (problem,) = disagreements(repository(tmp_path), "v0.3.0")
    assert "push v0.2.0" in problem


def test_a_release_without_a_section_in_the_changelog_is_reported(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    assert list(disagreements(root, "v0.2.0")) == ["CHANGELOG.md has no section '## [0.2.0]'"]
