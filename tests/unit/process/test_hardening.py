"""Another process of the same user can't read a protected one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.patience import PATIENCE
from tests.support.unprivileged import DROP_CAPABILITIES

SPY = f"{DROP_CAPABILITIES}\nprint(open(f'/proc/{{os.getppid()}}/environ', 'rb').read().decode())"
PARENT = f"""{DROP_CAPABILITIES}
if sys.argv[1] == "protected":
    from whitebg_process.hardening import protect_memory
    protect_memory()
found = subprocess.run([sys.executable, "-c", {SPY!r}], capture_output=True, text=True, env={{}})
print(found.stdout, found.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("protected", [False, True])
def test_a_child_cannot_read_its_parents_environment(protected: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, "protected" if protected else "open"],
        env=os.environ | {"WHITEBG_JWT_SECRET": "do-not-tell"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    if protected:
        assert "PermissionError" in done.stdout, done.stderr
        assert "do-not-tell" not in done.stdout
    else:
        assert "do-not-tell" in done.stdout, done.stderr
