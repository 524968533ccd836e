"""Protection of a process's memory from other processes of the same user."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4


def protect_memory() -> None:
    """Prevent this user's other processes from reading this one's memory, environment and open files; root still can.

    Linux only. As a side effect, no core file is written, and profilers and debuggers need root. Programs started
    from here are not protected.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("the process memory is not protected: %s", os.strerror(ctypes.get_errno()))
