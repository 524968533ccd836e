"""What a pool and its child processes say to each other, over pipes that only they hold.

A frame is a length (8 bytes, big-endian) and that many bytes of pickle. Pickle is safe here because both ends are
the same program; nothing that comes from elsewhere is ever unpickled, a photo is only bytes inside a job.
"""

from __future__ import annotations

import pickle
import struct
from asyncio import StreamReader
from dataclasses import dataclass
from typing import BinaryIO

HEADER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has done its imports and takes jobs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job is: percent (0 to 100) and stage."""

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
    """The job needed more memory than the child may have."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """The result does not fit into a frame."""

    size: int


@dataclass(frozen=True, slots=True)
class Raised:
    """The job raised something that it should not have; ``traceback`` is for the log."""

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
        FrameTooLarge: it is longer than ``limit`` bytes.

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


async def receive(stream: StreamReader, limit: int) -> object:
    """Read the next message.

    Raises:
        EOFError: the stream ended (`asyncio.IncompleteReadError` is one).
        FrameTooLarge: it is longer than ``limit`` bytes; nothing more can be read from the stream.

    """
    (size,) = HEADER.unpack(await stream.readexactly(HEADER.size))
    if size > limit:
        raise FrameTooLarge(size, limit)
    return decode(await stream.readexactly(size))
