"""The data folder belongs to one service at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

WAIT_SECONDS = 20.0
RETRY_SECONDS = 0.1


class DataDirInUse(Exception):
    """Another service works on this folder."""


@asynccontextmanager
async def data_dir_lock(folder: Path) -> AsyncIterator[None]:
    """Hold the folder. The system lets go of it when the process ends, however it ends.

    Raises:
        DataDirInUse: another process still holds it after 20 s, the time that a predecessor may take to drain.

    """
    lock = os.open(folder / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _acquire(lock, folder)
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


async def _acquire(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
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
