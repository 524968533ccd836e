"""Exclusive use of the data folder by one service at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from whitebg_process.private_files import tighten

RETRY_SECONDS = 0.1


class DataDirInUse(Exception):
    """Another service uses this folder."""


class DataDirError(Exception):
    """The folder can't be created or written."""


def make_data_dir(folder: Path) -> None:
    """Create a missing folder, accessible by its owner only.

    Raises:
        DataDirError: the folder can't be created.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataDirError(f"{folder} can't be made: {error.strerror}; choose another WHITEBG_DATA_DIR") from error


def tighten_data_dir(folder: Path) -> None:
    """Remove other users' access to existing files, which earlier releases or other programs may have granted."""
    database = [folder / f"whitebg.db{end}" for end in ("", "-wal", "-shm")]
    tighten(*database, folder / "service.lock", folder / "blobs", folder / "models")


@asynccontextmanager
async def data_dir_lock(folder: Path, wait: timedelta) -> AsyncIterator[None]:
    """Hold the folder's lock. The system releases it when the process ends, for any reason.

    Raises:
        DataDirInUse: another process still holds the lock after ``wait``, in which a predecessor may drain.
        DataDirError: the folder can't be written.

    """
    try:
        lock = os.open(folder / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirError(f"{folder} can't be written: {error.strerror}; choose another WHITEBG_DATA_DIR") from error
    try:
        await _acquire(lock, folder, wait)
        try:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise DataDirError(f"{folder} can't be written: {error.strerror}; see WHITEBG_DATA_DIR") from error
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
