"""The data folder belongs to one service at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

RETRY_SECONDS = 0.1


class DataDirInUse(Exception):
    """Another service works on this folder."""


class DataDirUnusable(Exception):
    """The folder can't be made or written."""


def make_data_dir(folder: Path) -> None:
    """Make the folder where it is missing, for its owner only.

    Raises:
        DataDirUnusable: it can't be made.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataDirUnusable(f"{folder} can't be made: {error.strerror}; choose another WHITEBG_DATA_DIR") from error


@asynccontextmanager
async def data_dir_lock(folder: Path, wait: timedelta) -> AsyncIterator[None]:
    """Hold the folder. The system lets go of it when the process ends, however it ends.

    Raises:
        DataDirInUse: another process still holds it after ``wait``, the time that a predecessor may take to drain.
        DataDirUnusable: nothing can be written there.

    """
    try:
        lock = os.open(folder / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirUnusable(f"{folder} can't be written: {error.strerror}") from error
    try:
        await _acquire(lock, folder, wait)
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


async def _acquire(lock: int, folder: Path, wait: timedelta) -> None:
    deadline = time.monotonic() + wait.total_seconds()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
                raise DataDirInUse(
                    f"{folder} is in use by process {holder}; stop it, or choose another WHITEBG_DATA_DIR"
                ) from None
            # File locks can't be awaited in an event loop; a thread blocked in flock could not be cancelled.
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
