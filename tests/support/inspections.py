"""Functions that an inspector under test runs in its child process; the photo's bytes select one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from generator_service.imaging.source.header import PhotoHeader


def perform(order: object, report: Callable[[int, str], None]) -> PhotoHeader:
    match order:
        case b"hang":
            signal.pause()
        case b"allocate":
            bytearray(2 * 1024**3)
        case b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"fail":
            raise KeyError("no such thing")
    return PhotoHeader(format="PNG", width=64, height=48)
