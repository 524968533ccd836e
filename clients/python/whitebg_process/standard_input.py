"""The end of standard input, with which a parent process ends those that it has started."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD_INPUT = 0
"""Its file descriptor. ``sys.stdin`` has a lock that, held by a waiting thread, makes the interpreter abort at exit."""


def on_end_of_input(callback: Callable[[], object], descriptor: int = STANDARD_INPUT) -> threading.Thread:
    """Call back from a thread when the input ends. A thread, because not every kind of input can be polled."""

    def wait() -> None:
        while os.read(descriptor, 4096):
            continue
        callback()

    thread = threading.Thread(target=wait, name="stdin", daemon=True)
    thread.start()
    return thread
