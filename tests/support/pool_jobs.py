"""Jobs that a pool under test runs in its children. A job is a name from ``JOBS`` and arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from generator_service.domain.errors import ImageRejected

Report = Callable[[int, str], None]


def perform(job: object, report: Report) -> object:
    if not isinstance(job, tuple):
        raise TypeError(f"a job is a tuple, not {job!r}")
    name, *arguments = job
    return JOBS[name](report, *arguments)


def echo(report: Report, value: object) -> object:
    return value


def pid(report: Report) -> int:
    return os.getpid()


def niceness(report: Report) -> int:
    return os.nice(0)


def environment(report: Report) -> dict[str, str]:
    return dict(os.environ)


def progress(report: Report, steps: int) -> str:
    for step in range(steps):
        report(step, f"step {step}")
    return "done"


def reject(report: Report) -> None:
    raise ImageRejected("image_truncated", "the file ends too early")


def bug(report: Report) -> None:
    raise KeyError("no such thing")


def send_signal(report: Report, number: int) -> str:
    os.kill(os.getpid(), number)
    return "still alive"


def leave(report: Report, code: int) -> None:
    os._exit(code)


def allocate(report: Report, size: int) -> int:
    return int(np.ones(size, np.uint8)[-1])


def allocate_in_opencv(report: Report, side: int) -> int:
    return cv2.resize(np.zeros((2, 2), np.uint8), (side, side)).size


def make(report: Report, size: int) -> bytes:
    return bytes(size)


def chatter(report: Report) -> None:
    print("printed", flush=True)
    os.write(1, b"written to descriptor 1\n")
    sys.stderr.write("x" * 600_000 + "\nafter a very long line\n")


def hang(report: Report, fifo: str = "") -> bytes:
    """Signal through ``fifo`` that the job runs, then block on reading a pipe without a writer."""
    report(1, "hanging")
    if fifo:
        Path(fifo).write_bytes(str(os.getpid()).encode())
    reader, _writer = os.pipe()
    return os.read(reader, 1)


def meet(report: Report, mine: str, theirs: str) -> bytes:
    """Exchange a message with another job; opening a FIFO blocks until its other end is open too."""
    if mine < theirs:
        Path(mine).write_bytes(b"here")
        return Path(theirs).read_bytes()
    heard = Path(theirs).read_bytes()
    Path(mine).write_bytes(b"here")
    return heard


JOBS: dict[str, Callable[..., object]] = {
    function.__name__: function
    for function in (
        *(echo, pid, niceness, environment, progress, reject, bug, send_signal, leave),
        *(allocate, allocate_in_opencv, make, chatter, hang, meet),
    )
}
