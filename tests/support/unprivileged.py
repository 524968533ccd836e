"""Programs without root's capabilities, which may read the memory of every process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.support.patience import PATIENCE

DROP_CAPABILITIES = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0, ctypes.get_errno()
"""
"""Start of a Python program that gives its capabilities up; a program that it starts has them again."""

_RUN_MODULE = f"""{DROP_CAPABILITIES}
import runpy
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_READ = f"""{DROP_CAPABILITIES}
sys.stdout.write(open(f"/proc/{{sys.argv[1]}}/environ").read())
"""


def module(name: str, *arguments: str) -> Sequence[str]:
    """Return the command that runs a Python module without capabilities."""
    return [sys.executable, "-c", _RUN_MODULE, name, *arguments]


def read_environment(pid: int) -> subprocess.CompletedProcess[str]:
    """Read a process's environment, as another process of the same user."""
    return subprocess.run(
        [sys.executable, "-c", _READ, str(pid)],
        env={},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
