"""The threat model names a test for each threat, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROWS = re.findall(r"^\| [STRIDE] \| .*$", (ROOT / "docs" / "threat-model.md").read_text(), re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_each_kind_of_threat_is_considered() -> None:
    assert {row[2] for row in ROWS} == set("STRIDE")


def test_each_threat_names_tests_that_exist() -> None:
    missing = [row for row in ROWS if not TEST.search(row)]
    for row in ROWS:
        for file, name in TEST.findall(row):
            path = ROOT / file
            if not path.exists() or not re.search(rf"def {name}\(", path.read_text()):
                missing.append(f"{file}::{name}")
    assert not missing
