"""Images as files below a folder."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from generator_service.blobs.contract import CHUNK, KINDS, BlobMissing, BlobStoreUnavailable, Stored
from whitebg_process.private_files import open_private


class _Unmounted(OSError):
    """A folder that holds images is missing."""


class LocalBlobStore:
    """Objects as files; see `generator_service.blobs.contract.BlobStore`."""

    def __init__(self, root: Path, *, create: bool = True) -> None:
        """Use a folder; ``create`` makes it where it is missing, which is right only before anything was stored.

        After that a missing folder is one that was unmounted: `BlobStoreUnavailable`, until it is back.
        """
        self._root = root
        self._new = create or any((root / kind).is_dir() for kind in KINDS)
        """Whether the folders have yet to be made."""
        with suppress(OSError):  # Each use tries again, and reports it.
            self._make_folders()
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
        """Return None: the folder has no public address."""

    def _put(self, path: Path, data: bytes) -> None:
        kind = self._require(path)
        self._make_folder(path.parent, below=kind if path.is_relative_to(kind) else self._root)
        aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with open(aside, "xb", opener=open_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def _require(self, path: Path) -> Path:
        """Return the folder of images that shows whether the share is mounted.

        These folders are made once, when the share is new; recreating them would write below an empty mount point.
        """
        self._make_folders()
        kind = path.relative_to(self._root).parts[0]
        folder = self._root / (kind if kind in KINDS else KINDS[0])
        if not folder.exists():
            raise _Unmounted(errno.ENOENT, "it does not exist; mount or restore it", str(folder))
        return folder

    def _make_folders(self) -> None:
        if self._new:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for kind in KINDS:
                (self._root / kind).mkdir(mode=0o700, exist_ok=True)
            self._new = False

    def _make_folder(self, folder: Path, *, below: Path) -> None:
        """Make a folder that survives a power cut, and those between it and ``below``, which must exist."""
        # Each for its owner only; `parents` would make those above readable for all users.
        for each in reversed([each for each in (folder, *folder.parents) if each.is_relative_to(below)][:-1]):
            each.mkdir(mode=0o700, exist_ok=True)
        if folder not in self._lasting:
            for above in folder.parents:
                _sync(above)
                if above == self._root:
                    break
            self._lasting.add(folder)

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._require(self._root / key)
            (self._root / key).unlink(missing_ok=True)

    @contextmanager
    def _told(self, key: str | None = None) -> Iterator[None]:
        """Translate errors of the operating system into those of the contract."""
        try:
            yield
        except OSError as error:
            if key is not None and isinstance(error, FileNotFoundError):
                error = self._unmounted(key) or error
                if not isinstance(error, _Unmounted):
                    raise BlobMissing(key) from None
            where = f"folder {error.filename}" if isinstance(error, _Unmounted) else self.where
            raise BlobStoreUnavailable(f"{where} can't be used: {error.strerror or error}") from error

    def _unmounted(self, key: str) -> OSError | None:
        try:
            self._require(self._root / key)
        except OSError as error:
            return error
        return None


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
