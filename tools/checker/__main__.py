"""``python -m tools.checker FILE...`` checks histories of one run; the exit status is 1 if a guarantee is broken."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.checker.history import read
from tools.checker.verdict import check


def main() -> int:
    """Check the files named on the command line."""
    files = [Path(name) for name in sys.argv[1:]]
    if not files:
        print("name the files of a run's history: python -m tools.checker FILE...")
        return 2
    verdict = check(read(files))
    print(verdict)
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
