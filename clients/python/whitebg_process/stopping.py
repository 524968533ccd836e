"""A bound on how long a process takes to end after it was asked to."""

from __future__ import annotations

import logging
import os
import threading

log = logging.getLogger(__name__)

START_SECONDS = 3.0
"""Bound for a process that has not completed its start."""
CLOSING_SECONDS = 5.0
"""Bound after the drain time, in which connections are closed and child processes ended."""


def seconds_to_end(drain: float, *, started: bool) -> float:
    """Return the bound of a process that was asked to stop, with ``drain`` seconds for its work once it has started."""
    return drain + CLOSING_SECONDS if started else START_SECONDS


def exit_within(seconds: float) -> None:
    """End the process with status 0 after ``seconds``, unless it has ended by then.

    A thread can't be cancelled: one that waits for an unresponsive database or share would delay the exit as long as
    that lasts. An exit here loses no more than a crash.
    """

    def end() -> None:
        log.warning("not ended within %g s after the request to stop; exiting without cleanup", seconds)
        os._exit(os.EX_OK)

    timer = threading.Timer(seconds, end)
    timer.daemon = True  # It must not delay an exit that comes earlier.
    timer.start()
