"""Images as files below a folder."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from generator_service.blobs.contract import CHUNK, BlobMissing, BlobsAway, Stored


class LocalBlobs:
    """Objects as files; see `generator_service.blobs.contract.Blobs`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lasting: set[Path] = set()
        """Folders whose own entries are known to be on the disk."""

    @property
    def where(self) -> str:
        """The folder."""
        return f"folder {self._root}"

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002 (a file has no type)
        """Store an object: written aside, synced, then renamed, so that a crash leaves all of it or nothing."""
        with self._told():
            await asyncio.to_thread(self._put, self._root / key, data)

    async def get(self, key: str) -> bytes:
        """Read a whole object."""
        with self._told(key):
            return await asyncio.to_thread((self._root / key).read_bytes)

    async def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read a part of an object in chunks."""
        with self._told(key):
            file = await asyncio.to_thread((self._root / key).open, "rb")
        with closing(file), self._told(key):
            file.seek(offset)
            while length > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    async def delete(self, *keys: str) -> None:
        """Delete objects."""
        with self._told():
            await asyncio.to_thread(self._delete, keys)

    async def list(self, *, after: str, limit: int) -> Sequence[Stored]:
        """Return the next objects, and with them what a crash left half written."""
        with self._told():
            return await asyncio.to_thread(lambda: list(islice(_files(self._root, "", after), limit)))

    async def url(self, key: str, *, lifetime: timedelta, content_type: str, disposition: str) -> None:
        """Return None: nobody else can reach the folder."""

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

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            (self._root / key).unlink(missing_ok=True)

    @contextmanager
    def _told(self, key: str | None = None) -> Iterator[None]:
        """Turn what the system says into what the contract says."""
        try:
            yield
        except OSError as error:
            if key is not None and isinstance(error, FileNotFoundError):
                raise BlobMissing(key) from None
            raise BlobsAway(f"{self.where} can't be used: {error.strerror or error}") from error


def _files(folder: Path, prefix: str, after: str) -> Iterator[Stored]:
    """Yield all files below a folder in the order of their keys, as a bucket would list them."""
    try:
        entries = {f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}": entry for entry in os.scandir(folder)}
    except FileNotFoundError:  # Not made yet.
        return
    for key in sorted(entries):
        if key.endswith("/"):
            if key > after or after.startswith(key):
                yield from _files(folder / entries[key].name, key, after)
        elif key > after:
            try:
                at = entries[key].stat().st_mtime
            except FileNotFoundError:  # Deleted since.
                continue
            yield Stored(key, datetime.fromtimestamp(at, UTC))


def _sync(folder: Path) -> None:
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
