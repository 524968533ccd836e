"""The program of a pool's child process, and the frames in which the pool talks with it, over pipes only they hold.

It runs one function, named on its command line, for one job after the other. The main thread works; a second
thread reads, so that the process ends at once when its parent ends, even in the middle of a job. It is started by a
pool only, as ``python -P -m``, and imports as little as possible.

A frame is a length (8 bytes, big-endian) and that many bytes of pickle. Pickle is safe here because both ends are
the same program; no external data is ever unpickled, a photo is only bytes inside a job.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import BinaryIO

from generator_service.domain.errors import ImageRejected

Target = Callable[..., object]
"""Takes a job (object) and a report (Callable[[int, str], None]); the preparation takes its argument."""


HEADER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has finished its imports and accepts jobs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the job: percent (0 to 100) and stage."""

    percent: int
    stage: str


@dataclass(frozen=True, slots=True)
class Done:
    """The job's result."""

    result: object


@dataclass(frozen=True, slots=True)
class Rejected:
    """The job raised `generator_service.domain.errors.ImageRejected`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The job exceeded the child's memory limit."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """The result does not fit into a frame."""

    size: int


@dataclass(frozen=True, slots=True)
class Raised:
    """The job raised an unexpected error; ``traceback`` is for the log."""

    error: str
    traceback: str


Outcome = Done | Rejected | OutOfMemory | Oversized | Raised
Message = Ready | Progress | Outcome


class FrameTooLarge(ValueError):
    """A frame is longer than the limit."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes is over the limit of {limit}")
        self.size = size
        self.limit = limit


def encode(message: object, limit: int) -> bytes:
    """Return ``message`` as the bytes of one frame without its header.

    Raises:
        FrameTooLarge: the message is longer than ``limit`` bytes.

    """
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    if len(body) > limit:
        raise FrameTooLarge(len(body), limit)
    return body


def decode(body: bytes) -> object:
    """Return the message of a frame."""
    return pickle.loads(body)  # noqa: S301  both ends are this program, see the module's docstring


def write(stream: BinaryIO, body: bytes) -> None:
    """Write a frame, and flush it."""
    stream.write(HEADER.pack(len(body)))
    stream.write(body)
    stream.flush()


def read(stream: BinaryIO) -> bytes | None:
    """Read the next frame's body; None at the end of the stream, also in the middle of a frame."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (size,) = HEADER.unpack(header)
    body = stream.read(size)
    return body if len(body) == size else None


def main() -> None:
    """Serve jobs from stdin until it ends."""
    arguments = _arguments()
    jobs_in, frames_out = _take_over_pipes()
    # The parent handles the terminal's Ctrl-C and drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    os.nice(arguments.niceness)
    target = _resolve(arguments.target)
    if (cv2 := sys.modules.get("cv2")) is not None:
        cv2.setNumThreads(1)
    # After the imports, so that the limit covers the work alone. No core files: they would hold a photo.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if arguments.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
    if arguments.prepare:
        prepare, argument = arguments.prepare
        _resolve(prepare)(argument)

    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs_in, jobs), daemon=True).start()
    limit: int = arguments.max_frame_bytes
    write(frames_out, encode(Ready(), limit))
    while True:
        write(frames_out, _work(target, jobs.get(), frames_out, limit))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--memory-bytes", type=int, default=0)
    parser.add_argument("--max-frame-bytes", type=int, required=True)
    parser.add_argument("--niceness", type=int, default=0)
    parser.add_argument("--prepare", nargs=2, metavar=("TARGET", "ARGUMENT"))
    return parser.parse_args()


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Reserve stdin and stdout for frames: output printed by libraries goes to stderr, the log."""
    jobs_in, frames_out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper, unless it was replaced
    return jobs_in, frames_out


def _resolve(name: str) -> Target:
    module, _, function = name.partition(":")
    target: Target = getattr(importlib.import_module(module), function)
    return target


def _read_jobs(stream: BinaryIO, jobs: SimpleQueue[bytes]) -> None:
    try:
        while (body := read(stream)) is not None:
            jobs.put(body)
    except BaseException:  # noqa: BLE001  a thread's death alone would leave the parent waiting for ever
        traceback.print_exc()
        os._exit(os.EX_SOFTWARE)
    # The parent closed the pipe or ended: the current job is obsolete. `sys.exit` would end this thread only.
    os._exit(os.EX_OK)


def _work(target: Target, job: bytes, frames_out: BinaryIO, limit: int) -> bytes:
    def report(percent: int, stage: str) -> None:
        write(frames_out, encode(Progress(percent, stage), limit))

    outcome: Outcome
    try:
        return encode(Done(target(decode(job), report)), limit)
    except ImageRejected as error:
        outcome = Rejected(error.code, str(error))
    except FrameTooLarge as error:
        outcome = Oversized(error.size)
    except Exception as error:  # noqa: BLE001  any error is reported to the parent, and the next job is served
        outcome = OutOfMemory() if _is_out_of_memory(error) else _raised(error)
    return encode(outcome, limit)


def _is_out_of_memory(error: Exception) -> bool:
    # OpenCV is loaded only if the target uses it: it takes 400 MiB of address space.
    cv2 = sys.modules.get("cv2")
    if cv2 is not None and isinstance(error, cv2.error):
        return bool(error.code == cv2.Error.StsNoMem)
    return isinstance(error, MemoryError)


def _raised(error: Exception) -> Raised:
    return Raised(type(error).__name__, "".join(traceback.format_exception(error)))


if __name__ == "__main__":
    # Under its own name, which is the one that pickle writes for the classes of messages.
    from generator_service.engines.pool.child_main import main as run

    run()
