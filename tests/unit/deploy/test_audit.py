"""The audit of dependencies by advisories in the OSV format, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tools import audit
from tools.audit import affected, main, packages

INSTALLED = packages(
    {"components": [{"purl": "pkg:pypi/Pillow@12.1.0"}, {"purl": "pkg:npm/%40scope/page@2.5.0"}]},
)


def advisory(ecosystem: str, name: str, **affects: Any) -> dict[str, Any]:
    return {"id": "OSV-1", "affected": [{"package": {"ecosystem": ecosystem, "name": name}} | affects]}


def between(*events: tuple[str, str], kind: str = "ECOSYSTEM") -> list[dict[str, Any]]:
    return [{"type": kind, "events": [{name: version} for name, version in events]}]


def test_packages_are_read_from_the_bill() -> None:
    assert {("PyPI", "pillow"): [Version("12.1.0")], ("npm", "@scope/page"): [Version("2.5.0")]} == INSTALLED


@pytest.mark.parametrize(
    ("record", "applies"),
    [
        (advisory("PyPI", "pillow", versions=["12.0.0", "12.1.0"]), True),
        (advisory("PyPI", "pillow", versions=["12.0.0"]), False),
        (advisory("PyPI", "PILLOW", ranges=between(("introduced", "0"), ("fixed", "12.1.1"))), True),
        (advisory("PyPI", "pillow", ranges=between(("introduced", "0"), ("fixed", "12.1.0"))), False),
        (advisory("PyPI", "pillow", ranges=between(("introduced", "12.2"))), False),
        (advisory("npm", "pillow", ranges=between(("introduced", "0"))), False),
        (advisory("npm", "@scope/page", ranges=between(("introduced", "0"), ("last_affected", "2.5.0"))), True),
        (advisory("npm", "@scope/page", ranges=between(("introduced", "0"), ("last_affected", "2.4.9"))), False),
        (
            advisory(
                "npm",
                "@scope/page",
                ranges=between(("introduced", "1.0.0"), ("fixed", "1.2.0"), ("introduced", "2.0.0"), kind="SEMVER"),
            ),
            True,
        ),
        (advisory("npm", "@scope/page", ranges=between(("introduced", "0"), kind="GIT")), False),
        (advisory("PyPI", "pillow", versions=["12.1.0"]) | {"withdrawn": "2026-01-01T00:00:00Z"}, False),
    ],
)
def test_advisory_applies_to_the_versions_that_it_names(record: dict[str, Any], applies: bool) -> None:
    found = list(affected(INSTALLED, record))
    assert len(found) == applies
    assert all(line.endswith(": OSV-1") for line in found)


def test_command_reports_what_applies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "OSV-1.json").write_text(json.dumps(advisory("npm", "react", ranges=between(("introduced", "0")))))
    monkeypatch.setattr("sys.argv", ["audit", str(tmp_path)])
    assert main() == 1
    assert "1 advisories: 1 apply\n  react " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], [""], ["empty"]])
def test_audit_without_a_snapshot_is_skipped_with_a_warning(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["audit", *arguments])
    assert main() == 0
    assert capsys.readouterr().err == audit.SKIPPED + "\n"
