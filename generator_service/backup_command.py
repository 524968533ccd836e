"""``python -P -m generator_service backup`` and ``restore``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from generator_service.backup import (
    BLOBS,
    POSTGRES,
    SECRET,
    SQLITE,
    BackupFailed,
    Manifest,
    back_up,
    copy_images,
    is_empty,
    read_manifest,
    restore_postgres,
    restore_secret,
    restore_sqlite_file,
)
from generator_service.blobs.contract import BlobStore, BlobStoreConfigError, BlobStoreUnavailable, try_writing
from generator_service.blobs.local import LocalBlobStore
from generator_service.bootstrap import open_blob_store, open_store
from generator_service.data_dir import DataDirError, DataDirInUse, data_dir_lock, make_data_dir
from generator_service.domain.clock import SystemClock
from generator_service.image_store import ImageStoreGuard
from generator_service.settings import Settings
from generator_service.store.postgres import look_at_postgres, renew_postgres, require_unused
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.restored import StoreInUse
from generator_service.store.sqlite import renew_sqlite
from generator_service.store.unavailable import DatabaseUnusable

PROBE_KEY = "probe/restore"
ADOPT = "python -P -m generator_service adopt-images"


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run one of the commands; return the exit status."""
    folder: Path = arguments.folder.expanduser().absolute()
    try:
        if arguments.command == "backup":
            asyncio.run(_back_up(settings, folder, only=arguments.only))
        else:
            asyncio.run(_restore(settings, folder, replace=arguments.replace))
    except (
        BackupFailed,
        BlobStoreConfigError,
        BlobStoreUnavailable,
        DatabaseUnavailable,
        DatabaseUnusable,
        DataDirError,
        DataDirInUse,
        StoreInUse,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or folder}: {error.strerror or error}\n")
        return 1
    return 0


async def _back_up(settings: Settings, folder: Path, *, only: str | None) -> None:
    database: Path | str = settings.database
    if settings.database_url is not None:
        database = settings.database_url.get_secret_value()
    images = None
    if only != "database":
        images = await asyncio.to_thread(open_blob_store, settings, create=False)
    manifest = await back_up(
        folder,
        database=None if only == "images" else database,
        images=images,
        secret=settings.data_dir / SECRET,
    )
    sys.stdout.write(f"{folder}: {_contents(manifest)}\n")
    if not manifest.secret:
        sys.stdout.write(f"no {settings.data_dir / SECRET}: store WHITEBG_JWT_SECRET elsewhere\n")


def _contents(manifest: Manifest) -> str:
    parts = [
        f"database of {manifest.made_at} ({manifest.database})" if manifest.database else "no database",
        "no images" if manifest.images is None else f"{manifest.images} images",
    ]
    return ", ".join([*parts, "signing secret"] if manifest.secret else parts)


async def _restore(settings: Settings, folder: Path, *, replace: bool) -> None:
    manifest = read_manifest(folder)
    expected = SQLITE if settings.database_url is None else POSTGRES
    if manifest.database not in {None, expected}:
        kind = "PostgreSQL" if manifest.database == POSTGRES else "SQLite"
        raise BackupFailed(f"{folder} is a backup of {kind}; WHITEBG_DATABASE_URL names the other kind")
    async with AsyncExitStack() as stack:
        if settings.needs_data_dir:
            make_data_dir(settings.data_dir)
        if settings.database_url is None:
            await stack.enter_async_context(data_dir_lock(settings.data_dir, timedelta(0)))
        blobs = None if manifest.images is None else await _open_images(settings)
        if manifest.database is not None:
            await asyncio.to_thread(_restore_database, settings, folder / expected, replace=replace)
        if blobs is not None:
            vacant = await is_empty(blobs)
            count = await copy_images(LocalBlobStore(folder / BLOBS, create=False), blobs)
            sys.stdout.write(f"{count} images are in the {blobs.where}\n")
            await _bind(settings, blobs, adopt=vacant and manifest.database is not None)
        elif manifest.database is not None:
            sys.stdout.write(f"when the images are there, run: {ADOPT}\n")
        if manifest.secret:
            make_data_dir(settings.data_dir)
            _report_secret(settings, restored=restore_secret(folder, settings.data_dir / SECRET))


async def _open_images(settings: Settings) -> BlobStore:
    """Open the image store and try it, before the database is replaced."""
    blobs = await asyncio.to_thread(open_blob_store, settings)
    # Some stores make their bucket with its first object, and can't list it before.
    await try_writing(blobs, PROBE_KEY)
    return blobs


async def _bind(settings: Settings, blobs: BlobStore, *, adopt: bool) -> None:
    if not adopt:  # The images may be in use by the database that was backed up.
        sys.stdout.write(f"if no other database uses these images, run: {ADOPT}\n")
        return
    store = await open_store(settings, SystemClock(), lambda _: None)
    try:
        await ImageStoreGuard(store, blobs).adopt()
    finally:
        await store.close()


def _report_secret(settings: Settings, *, restored: bool) -> None:
    path = settings.data_dir / SECRET
    sys.stdout.write(f"{path}: {'restored' if restored else 'another secret is there and stays in use'}\n")


def _restore_database(settings: Settings, backup: Path, *, replace: bool) -> None:
    """Replace the database by a backup, and give its log a new epoch."""
    if settings.database_url is None:
        if settings.database.exists() and not replace:
            raise BackupFailed(f"there is a database at {settings.database}; add --replace to replace it")
        restore_sqlite_file(backup, settings.database)
        renewed = renew_sqlite(settings.database)
    else:
        url = settings.database_url.get_secret_value()
        require_unused(url)
        if look_at_postgres(url).schema is not None and not replace:
            raise BackupFailed("there are tables in the database of WHITEBG_DATABASE_URL; add --replace")
        restore_postgres(backup, url)
        renewed = renew_postgres(url)
    sys.stdout.write(f"the database was restored; its log has the new epoch {renewed.epoch}\n")
