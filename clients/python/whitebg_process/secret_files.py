"""Secrets that are read from files, such as those mounted by Docker or Kubernetes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from whitebg_process.regular_files import open_at_once

MAX_SECRET_BYTES = 64 * 1024


def read_secret(path: Path, *, own: bool = False) -> str:
    """Return the text of a secret's file, without the white space around it.

    ``own``: the file was made by this user, or by root; one that is mounted may be anyone's.

    Raises:
        ValueError: it can't be read, is empty, is another user's, or others than its owner can write it.

    """
    try:
        with open(path, "rb", opener=open_at_once) as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(
            f"others than its owner can write {path} (mode {stat.S_IMODE(status.st_mode):03o}), so it may not be "
            f"yours any more; check it, then run: chmod 600 {path}"
        )
    if own and status.st_uid not in {os.geteuid(), 0}:
        raise ValueError(f"{path} belongs to user {status.st_uid}, so it is not yours; run as that user, or remove it")
    try:
        secret = data.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if not secret or len(data) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is empty" if not secret else f"{path} is larger than {MAX_SECRET_BYTES} bytes")
    return secret
