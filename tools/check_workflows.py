"""Check the files of ``.github`` against their schemas, and the workflows for security problems (zizmor), offline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"
SCHEMAS = {
    "vendor.github-workflows": ("workflows/*.yml", "workflows/*.yaml"),
    "custom.github-workflows-require-timeout": ("workflows/*.yml", "workflows/*.yaml"),
    "vendor.dependabot": ("dependabot.yml",),
    "vendor.github-issue-forms": ("ISSUE_TEMPLATE/[!c]*.yml", "ISSUE_TEMPLATE/c[!o]*.yml"),
    "vendor.github-issue-config": ("ISSUE_TEMPLATE/config.yml",),
}
"""Names of ``check-jsonschema``'s built-in schemas, and the files that each applies to."""


def main() -> int:
    """Run both tools; return the exit status."""
    return 1 if any([check(GITHUB, schema, patterns) for schema, patterns in SCHEMAS.items()] + [audit(GITHUB)]) else 0


def check(folder: Path, schema: str, patterns: tuple[str, ...]) -> int:
    """Check the files by a schema; return 0 if all match.

    Raises:
        FileNotFoundError: no file matches the patterns, so that nothing would be checked.

    """
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not files:
        raise FileNotFoundError(f"no {' or '.join(patterns)} in {folder}")
    command: list[str | Path] = [_tool("check-jsonschema"), "--quiet", "--builtin-schema", schema, *files]
    return subprocess.run(command, check=False).returncode


def audit(folder: Path) -> int:
    """Search the workflows of a folder for security problems; return 0 if there are none."""
    command: list[str | Path] = [_tool("zizmor"), "--offline", "--quiet", "--config", GITHUB / "zizmor.yml", folder]
    return subprocess.run(command, check=False).returncode


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


if __name__ == "__main__":
    sys.exit(main())
