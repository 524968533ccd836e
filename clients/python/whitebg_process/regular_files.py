"""Files that settings name: a wrong path is reported, never waited for."""

from __future__ import annotations

import errno
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
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()
