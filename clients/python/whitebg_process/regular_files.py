"""Files that settings name: a wrong path is reported, never waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def is_file(path: Path) -> bool:
    """Return whether a path is that of a file; one that can't be looked up, such as a name too long, is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_file(path: Path) -> bytes:
    """Return the content of a regular file. A pipe is rejected: its reader would wait for a writer.

    Raises:
        OSError: it can't be read, or is no regular file.

    """
    with open(path, "rb", opener=open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read()


def open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe: one that nothing writes to is empty."""
    file = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(file, True)
    return file
