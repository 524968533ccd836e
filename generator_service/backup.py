"""``python -P -m generator_service backup`` and ``restore``: database, images and signing secret in one folder.

A backup folder holds one complete backup, which each run replaces::

    backup.json   what the other files are; written last
    whitebg.db    the database of SQLite, or
    whitebg.dump  the one of PostgreSQL, in the custom format of pg_dump
    jwt-secret    the signing secret of `whitebg up`, where there is one
    blobs/        the images, by their keys

The database is copied before the images, so every image that it names was stored by then. The earlier backup stays
valid until the new one is complete.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL

from generator_service.blobs.contract import BlobMissing, BlobStore
from generator_service.blobs.local import LocalBlobStore
from generator_service.image_store import MARKER_KEY
from generator_service.store.postgres import database_url
from whitebg_process.private_files import open_private

MANIFEST, SECRET, BLOBS = "backup.json", "jwt-secret", "blobs"
SQLITE, POSTGRES = "whitebg.db", "whitebg.dump"
PAGE = 500
_PARTIAL = ".new"


class BackupFailed(Exception):
    """The backup can't be made or restored; the message has the cause and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a backup."""

    made_at: str
    """When the database was copied, RFC 3339, UTC."""
    database: str | None
    """Name of the database's file; None if the backup was made without it."""
    images: int | None
    """Number of images; None if the backup was made without them."""
    secret: bool
    """Whether the signing secret is included."""


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest.

    Raises:
        BackupFailed: the folder holds no complete backup.

    """
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BackupFailed(f"{folder} holds no complete backup: {error}; name the folder that `backup` wrote") from None


async def back_up(folder: Path, *, database: Path | str | None, images: BlobStore | None, secret: Path) -> Manifest:
    """Write a backup into ``folder``, in place of an earlier one there; return its manifest.

    ``database`` is the file of SQLite or the URL of PostgreSQL. Without it, or without ``images``, the backup lacks
    that part. ``secret`` is included if the file exists.

    Raises:
        BackupFailed: the database or the folder can't be used.
        BlobStoreUnavailable: images can't be read or written.

    """
    made_at = datetime.now(UTC)
    name = None if database is None else SQLITE if isinstance(database, Path) else POSTGRES
    try:
        stored = None if images is None else {key async for key in _keys(images)}
        target = await asyncio.to_thread(_prepare, folder)
        if database is not None:
            await asyncio.to_thread(_dump, database, folder / f"{name}{_PARTIAL}")
        count = None if images is None else await copy_images(images, target)
        manifest = await asyncio.to_thread(_complete, folder, made_at, name, count, secret)
        if images is not None and stored is not None:
            await _prune(target, stored | {key async for key in _keys(images)})
    except OSError as error:
        raise BackupFailed(f"{error.filename or folder}: {error.strerror or error}") from error
    return manifest


def _prepare(folder: Path) -> BlobStore:
    """Make the folder of a backup; return its images."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalBlobStore(folder / BLOBS)


def _complete(folder: Path, made_at: datetime, name: str | None, images: int | None, secret: Path) -> Manifest:
    """Put the new backup in the place of the earlier one."""
    has_secret = secret.exists()
    if has_secret:
        _write(folder / SECRET, secret.read_bytes())
    if name is not None:
        (folder / f"{name}{_PARTIAL}").replace(folder / name)
    manifest = Manifest(made_at=made_at.isoformat(), database=name, images=images, secret=has_secret)
    _write(folder / MANIFEST, json.dumps(asdict(manifest)).encode() + b"\n")
    return manifest


async def copy_images(source: BlobStore, target: BlobStore) -> int:
    """Copy the images that ``target`` lacks; return how many it then has of the source's.

    Objects never change, so an image that is there is the same. The marker that binds a store to its database is
    left out.
    """
    known = {key async for key in _keys(target)}
    count = 0
    async for key in _keys(source):
        if key not in known:
            try:
                data = await source.get(key)
            except BlobMissing:  # Deleted since it was listed.
                continue
            await target.put(key, data, content_type=mimetypes.guess_type(key)[0] or "application/octet-stream")
        count += 1
    return count


async def _prune(target: BlobStore, stored: set[str]) -> None:
    """Delete images that were deleted from the source before the backup began."""
    gone = [key async for key in _keys(target) if key not in stored]
    if gone:
        await target.delete(*gone)


async def _keys(blobs: BlobStore) -> AsyncIterator[str]:
    after = ""
    while page := await blobs.list(after=after, limit=PAGE):
        for stored in page:
            if stored.key != MARKER_KEY and not stored.key.endswith(".part"):
                yield stored.key
        after = page[-1].key


async def is_empty(blobs: BlobStore) -> bool:
    """Return whether a store holds no image."""
    async for _ in _keys(blobs):
        return False
    return True


def _dump(database: Path | str, target: Path) -> None:
    """Copy a database, which may be in use, to a new file."""
    target.unlink(missing_ok=True)  # Left by an interrupted run.
    if isinstance(database, str):
        _run_tool("pg_dump", database, "--format=custom", f"--file={target}")
        target.chmod(0o600)
    else:
        if not database.exists():
            raise BackupFailed(f"there is no database at {database}; name its folder in WHITEBG_DATA_DIR")
        try:
            with open(target, "xb", opener=open_private):
                pass  # SQLite would make it readable by all; VACUUM accepts an empty file.
            with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as source:
                source.execute("VACUUM INTO ?", (str(target),))
        except sqlite3.Error as error:
            raise BackupFailed(f"{database} can't be copied to {target}: {error}") from error
    _sync(target)


def restore_sqlite_file(backup: Path, database: Path) -> None:
    """Put a backup in the place of a database that no process uses."""
    aside = database.with_name(f"{database.name}{_PARTIAL}")
    aside.unlink(missing_ok=True)
    with backup.open("rb") as source, open(aside, "xb", opener=open_private) as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    for suffix in ("-wal", "-shm"):  # Of the database that is replaced: SQLite would apply them to the new one.
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    aside.replace(database)


def restore_postgres(backup: Path, url: str) -> None:
    """Put a dump in the place of a database's tables, in one transaction.

    Raises:
        BackupFailed: pg_restore failed or is not installed.

    """
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
    _run_tool("pg_restore", url, *options, str(backup))


def restore_secret(folder: Path, target: Path) -> bool:
    """Put the signing secret back unless there is one; return whether the backup's is in use now."""
    saved = (folder / SECRET).read_bytes()
    if not target.exists() or not target.stat().st_size:
        _write(target, saved)
    return target.read_bytes() == saved


def _run_tool(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database; its password is passed where other users can't see it."""
    address = database_url(url).set(drivername="postgresql")
    command = [program, *arguments, f"--dbname={_without_password(address)}"]
    environment = os.environ | ({"PGPASSWORD": address.password} if address.password else {})
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603  our own command
    except FileNotFoundError:
        raise BackupFailed(f"{program} is not installed; install PostgreSQL's client programs") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise BackupFailed(f"{program} failed: {lines[-1] if lines else f'exit status {error.returncode}'}") from None


def _without_password(address: URL) -> str:
    # A password of None would be kept by ``set``; the parts are put together without it.
    return URL.create(
        "postgresql", address.username, None, address.host, address.port, address.database, address.query
    ).render_as_string(hide_password=False)


def _write(path: Path, data: bytes) -> None:
    """Replace a file's content in one step; only its owner can read it."""
    aside = path.with_name(f"{path.name}{_PARTIAL}")
    with suppress(FileNotFoundError):
        aside.unlink()
    with open(aside, "xb", opener=open_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
