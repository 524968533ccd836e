"""Free space of the file systems that hold the database and the images."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator_service.domain.errors import DiskFull

READ_WITHIN = 10.0
"""Seconds after which a file system that does not answer is left out of `free_bytes`."""
READ_AGAIN = 1.0
"""Seconds after which a file system's free space is read again; also whenever there seems to be too little."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Bytes of one file system; ``free`` are the bytes available to this process."""

    free: int
    total: int


def disk_space(folder: Path) -> DiskSpace:
    """Return the space of the file system of ``folder``, or of its nearest existing parent.

    Raises:
        OSError: the file system can't be read.

    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return DiskSpace(free=found.f_bavail * found.f_frsize, total=found.f_blocks * found.f_frsize)


async def free_bytes(folders: Sequence[Path]) -> dict[str, int]:
    """Return the free space by folder; without those that can't be read, or not in time."""
    free = {}
    for folder in folders:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(READ_WITHIN):
                # In a thread: a network file system that does not answer must not stop the event loop.
                free[str(folder)] = (await asyncio.to_thread(disk_space, folder)).free
    return free


class DiskGuard:
    """Keeps ``min_free`` bytes free on the file systems of ``folders``; without folders, every check passes.

    A file system is read at most once a second, in which what was let through counts as stored.
    """

    def __init__(self, *, folders: Sequence[Path], min_free: int) -> None:
        self._folders = folders
        self._min_free = min_free
        self._free: dict[Path, tuple[int, float]] = {}
        """Free bytes less those that were let through since, and when that was read, by `time.monotonic`."""

    async def require(self, size: int) -> None:
        """Check that ``size`` more bytes leave enough free.

        Raises:
            DiskFull: too little space would stay free.
            OSError: a file system can't be read.

        """
        for folder in self._folders:
            free, read_at = self._free.get(folder, (0, float("-inf")))
            if time.monotonic() - read_at > READ_AGAIN or free - size < self._min_free:
                # In a thread: a network file system that does not answer must not stop the event loop.
                free, read_at = (await asyncio.to_thread(disk_space, folder)).free, time.monotonic()
            if free - size < self._min_free:
                raise DiskFull(str(folder), free, self._min_free)
            self._free[folder] = free - size, read_at
