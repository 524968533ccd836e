from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_workflows import audit, check

JOB = """
on: push
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: RUN
"""


def workflow(folder: Path, text: str) -> Path:
    (folder / "workflows").mkdir(parents=True)
    (folder / "workflows" / "ci.yml").write_text(text)
    return folder


def test_check_rejects_a_workflow_that_github_would(tmp_path: Path) -> None:
    valid = workflow(tmp_path / "valid", JOB)
    broken = workflow(tmp_path / "broken", JOB.replace("runs-on", "run-on"))
    assert check(valid, "vendor.github-workflows", ("workflows/*.yml",)) == 0
    assert check(broken, "vendor.github-workflows", ("workflows/*.yml",)) != 0


def test_check_of_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no dependabot\.yml"):
        check(tmp_path, "vendor.dependabot", ("dependabot.yml",))


def test_audit_finds_a_title_that_is_run_as_a_command(tmp_path: Path) -> None:
    harmless = workflow(tmp_path / "harmless" / ".github", JOB.replace("RUN", "make"))
    injected = JOB.replace("RUN", "echo ${{ github.event.issue.title }}").replace("on: push", "on: issues")
    dangerous = workflow(tmp_path / "dangerous" / ".github", injected)
    assert audit(harmless) == 0
    assert audit(dangerous) != 0
