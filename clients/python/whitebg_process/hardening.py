"""Keeping what a process holds from other processes of the same user."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4


def protect_memory() -> None:
    """Let no other process of this user read this one's memory, environment or open files; only root still can.

    On Linux alone. It also means that no core file is written, and that profilers and debuggers need root. Programs
    that are started from here are not protected by it.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("the process memory is not protected: %s", os.strerror(ctypes.get_errno()))
