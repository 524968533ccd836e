"""Files and folders that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def open_private(path: str, flags: int) -> int:
    """Open a file as `open` does, but create it for its owner alone (0600): pass it as ``opener``."""
    return os.open(path, flags, 0o600)


def tighten(*paths: Path) -> None:
    """Take files and folders of this user from all others. Those that are missing or another user's are left alone."""
    for path in paths:
        # A file system without permissions refuses; it can be used all the same.
        with contextlib.suppress(OSError):
            status = path.stat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                path.chmod(status.st_mode & (0o700 if stat.S_ISDIR(status.st_mode) else 0o600))
