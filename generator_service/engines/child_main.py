"""The program of a pool's child process: ``python -m generator_service.engines.child_main``, started by a pool only.

It runs one function, named on its command line, for one job after the other. The main thread works; a second
thread reads, so that the process ends at once when its parent is gone, even in the middle of a job.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import BinaryIO

import cv2

from generator_service.domain.errors import ImageRejected
from generator_service.engines import frames

Target = Callable[[object, Callable[[int, str], None]], object]

_NICENESS = 5  # the server's event loop keeps its core


def main() -> None:
    """Serve jobs from stdin until it ends."""
    arguments = _arguments()
    jobs_in, frames_out = _take_over_pipes()
    # The terminal's Ctrl-C is meant for the parent, which drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    os.nice(_NICENESS)
    cv2.setNumThreads(1)
    target = _resolve(arguments.target)
    # After the imports, so that a limit can be given in terms of the work alone. A core file would hold a photo.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))

    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs_in, jobs), daemon=True).start()
    limit: int = arguments.max_frame_bytes
    frames.write(frames_out, frames.encode(frames.Ready(), limit))
    while True:
        frames.write(frames_out, _work(target, jobs.get(), frames_out, limit))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--memory-bytes", type=int, default=0)
    parser.add_argument("--max-frame-bytes", type=int, required=True)
    return parser.parse_args()


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for frames alone: whatever a library prints goes to stderr, the log."""
    jobs_in, frames_out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper, unless somebody swapped it
    return jobs_in, frames_out


def _resolve(name: str) -> Target:
    module, _, function = name.partition(":")
    target: Target = getattr(importlib.import_module(module), function)
    return target


def _read_jobs(stream: BinaryIO, jobs: SimpleQueue[bytes]) -> None:
    try:
        while (body := frames.read(stream)) is not None:
            jobs.put(body)
    except BaseException:  # noqa: BLE001  a thread's death alone would leave the parent waiting for ever
        traceback.print_exc()
        os._exit(os.EX_SOFTWARE)
    # The parent closed the pipe or is gone: nobody waits for the job under way. `sys.exit` would end this thread only.
    os._exit(os.EX_OK)


def _work(target: Target, job: bytes, frames_out: BinaryIO, limit: int) -> bytes:
    def report(percent: int, stage: str) -> None:
        frames.write(frames_out, frames.encode(frames.Progress(percent, stage), limit))

    outcome: frames.Outcome
    try:
        return frames.encode(frames.Done(target(frames.decode(job), report)), limit)
    except ImageRejected as error:
        outcome = frames.Rejected(error.code, str(error))
    except frames.FrameTooLarge as error:
        outcome = frames.Oversized(error.size)
    except Exception as error:  # noqa: BLE001  whatever it is, the parent is told and the next job is served
        outcome = frames.OutOfMemory() if _is_out_of_memory(error) else _raised(error)
    return frames.encode(outcome, limit)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    return isinstance(error, MemoryError)


def _raised(error: Exception) -> frames.Raised:
    return frames.Raised(type(error).__name__, "".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main()
