"""Fetching an image whole, however often its stream breaks; and putting it on disk whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from whitebg import errors
from whitebg.convert.results import image_info_from_proto
from whitebg.models import ImageInfo
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.watch import RETRYABLE
from whitebg_process.backoff import Backoff

_Made = TypeVar("_Made")

MAX_BARREN_TRIES = 8
"""Streams in a row that may break without a single new byte."""


async def fetch(
    open_stream: Callable[[pb.DownloadImageRequest], AsyncGenerator[pb.DownloadImageResponse]],
    request: pb.DownloadImageRequest,
    sink: BinaryIO,
    *,
    backoff: Backoff,
) -> ImageInfo:
    """Write an image to ``sink``, resuming at the byte where a stream broke.

    If the image became another one meanwhile (its etag changed), it starts over.

    Raises:
        DownloadFailed: the bytes that came are not as many as were announced.
        ServiceUnavailable: the stream broke too often without a new byte.

    """
    info: ImageInfo | None = None
    received = barren = 0
    while True:
        try:
            part = pb.DownloadImageRequest()
            part.CopyFrom(request)
            part.offset = received
            async with aclosing(open_stream(part)) as stream:
                async for response in stream:
                    if response.HasField("info"):
                        now = image_info_from_proto(response.info)
                        if info is not None and now.etag != info.etag:
                            info, received = None, 0
                            await finish_in_thread(partial(_rewind, sink))
                            break
                        info = now
                    if response.chunk:
                        await finish_in_thread(partial(sink.write, response.chunk))
                        received += len(response.chunk)
                        barren = 0
                else:
                    return _whole(info, received)
        except RETRYABLE:
            if info is not None and received == info.size_bytes:
                return info
            barren += 1
            if barren >= MAX_BARREN_TRIES:
                raise
            await asyncio.sleep(backoff.delay(barren))


def _rewind(sink: BinaryIO) -> None:
    sink.seek(0)
    sink.truncate()


def _whole(info: ImageInfo | None, received: int) -> ImageInfo:
    if info is None:
        raise errors.DownloadFailed("the service sent no description of the image; try again")
    if received != info.size_bytes:
        raise errors.DownloadFailed(f"{received} bytes of the image came, {info.size_bytes} were announced; try again")
    return info


async def finish_in_thread(work: Callable[[], _Made], release: Callable[[_Made], object] | None = None) -> _Made:
    """Run ``work`` in a thread and return its result, waiting for its end even when cancelled.

    A thread can't be cancelled: without this, it would go on with files that its caller has closed, or make one that
    no code removes. When cancelled, the result is passed to ``release``.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):  # It is raised below.
                await asyncio.wait([future])
        if future.exception() is None and release is not None:
            release(future.result())
        raise


class AtomicFile:
    """A file that appears under its name when it is complete, and never before."""

    def __init__(self, directory: Path) -> None:
        """Begin a file in ``directory``, which must exist."""
        handle, name = tempfile.mkstemp(prefix=".whitebg-", suffix=".part", dir=directory)
        self.sink: BinaryIO = os.fdopen(handle, "wb")
        self._temporary = Path(name)

    def commit(self, path: Path) -> None:
        """Make the file durable and replace ``path`` with it."""
        self.sink.flush()
        os.fsync(self.sink.fileno())
        self.sink.close()
        umask = os.umask(0)
        os.umask(umask)
        self._temporary.chmod(0o666 & ~umask)  # mkstemp made it private; a picture is an ordinary file.
        self._temporary.replace(path)

    def discard(self) -> None:
        """Leave nothing behind. Does nothing after `commit`."""
        self.sink.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()
