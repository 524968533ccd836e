"""Images at rest: one object per key, complete and durable once `put` has returned."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

CHUNK = 64 * 1024


class BlobMissing(Exception):
    """There is no object under this key."""


class Blobs(Protocol):
    """A place for images. Keys are made by `new_key`; an object is never changed once it is there."""

    async def put(self, key: str, data: bytes) -> None:
        """Store an object durably."""
        ...

    async def get(self, key: str) -> bytes:
        """Read a whole object.

        Raises:
            BlobMissing: there is none.

        """
        ...

    def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read ``length`` bytes from ``offset`` in chunks of at most 64 KiB.

        Raises:
            BlobMissing: there is none.

        """
        ...

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        ...


def new_key(kind: str, suffix: str = "") -> str:
    """Make a key that nobody can guess, spread over 256 folders."""
    name = secrets.token_hex(16)
    return f"{kind}/{name[:2]}/{name}{suffix}"


class LocalBlobs:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lasting: set[Path] = set()
        """Folders whose own entries are known to be on the disk."""

    async def put(self, key: str, data: bytes) -> None:
        """Store an object: written aside, synced, then renamed, so that a crash leaves all of it or nothing."""
        await asyncio.to_thread(self._put, self._root / key, data)

    async def get(self, key: str) -> bytes:
        """Read a whole object."""
        try:
            return await asyncio.to_thread((self._root / key).read_bytes)
        except FileNotFoundError:
            raise BlobMissing(key) from None

    async def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read a part of an object in chunks."""
        try:
            file = await asyncio.to_thread((self._root / key).open, "rb")
        except FileNotFoundError:
            raise BlobMissing(key) from None
        with contextlib.closing(file):
            file.seek(offset)
            while length > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    async def delete(self, key: str) -> None:
        """Delete an object."""
        await asyncio.to_thread((self._root / key).unlink, missing_ok=True)

    def _put(self, path: Path, data: bytes) -> None:
        self._make_folder(path.parent)
        aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder that a power cut does not take away, and all that it holds with it."""
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in self._lasting:
            for above in folder.parents:
                _sync(above)
                if above == self._root:
                    break
            self._lasting.add(folder)


def _sync(folder: Path) -> None:
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
