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
from typing import BinaryIO

from whitebg import errors
from whitebg.convert.results import image_info_from_proto
from whitebg.models import ImageInfo
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.watch import RETRYABLE
from whitebg_process.backoff import Backoff
from whitebg_process.threads import finish_in_thread

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
