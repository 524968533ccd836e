"""``python -P -m generator_service doctor``: checks storage, database, engines and keys, and reports problems."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw
from sqlalchemy.exc import DBAPIError

from generator_service.blobs.contract import BlobStore, BlobStoreConfigError, BlobStoreUnavailable
from generator_service.bootstrap import open_blob_store
from generator_service.data_dir import DataDirError, DataDirInUse, data_dir_lock, make_data_dir
from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.readiness import disk_full
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.base import CheckableEngine, ImageEngine
from generator_service.engines.neural.files import ModelFolder
from generator_service.engines.neural.models import ModelUnusable
from generator_service.engines.neural.settings import offer
from generator_service.engines.registry import Engines, EngineSettings, NoEngine
from generator_service.image_store import describe, match, read_marker
from generator_service.ops.disk_space import READ_WITHIN, free_bytes
from generator_service.settings import Settings
from generator_service.store.image_contract import ImageBinding
from generator_service.store.migrate import revisions
from generator_service.store.postgres import Seen, database_url, encoding_problem, look_at_postgres
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.sqlite import damage, look_at_image_binding
from generator_service.tls import ServerFiles
from whitebg_process.certificates import CertificateError
from whitebg_process.regular_files import is_file

RENEW_BEFORE = timedelta(days=14)
NO_DATABASE = "there is none yet; the first start makes it"
_SPEC = PictureSpec(size_px=200, fill=0.85, format=OutputFormat.PNG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    subject: str
    ok: bool
    message: str


async def examine(settings: Settings, engines: EngineSettings) -> AsyncIterator[Finding]:
    """Yield the results, check by check. No data is changed; files written for a check are deleted again."""
    folder_will_do = True
    if settings.needs_data_dir:
        folder = await _folder(settings)
        yield folder
        folder_will_do = folder.ok
        if folder_will_do:
            yield await _space(settings)
    if settings.database_url is not None:
        yield await asyncio.to_thread(_postgres, settings.database_url.get_secret_value())
    elif folder_will_do:
        yield await asyncio.to_thread(_sqlite, settings.database)
    if folder_will_do or settings.bucket is not None:
        yield await _blobs(settings)
    if settings.tls is not None:
        yield _certificates(settings.tls)
    for sentence in settings.cautions:
        yield Finding(subject="settings", ok=True, message=sentence)
    async for finding in _engines(engines, ModelFolder(settings.models_folder)):
        yield finding


async def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    try:
        make_data_dir(folder)
        # With PostgreSQL, all processes share the folder, and none locks it.
        async with nullcontext() if settings.database_url else data_dir_lock(folder, timedelta(0)):
            return Finding(subject="data folder", ok=True, message=str(folder))
    except DataDirInUse:
        return Finding(subject="data folder", ok=True, message=f"{folder}, in use by a service that runs")
    except DataDirError as error:
        return Finding(subject="data folder", ok=False, message=str(error))


async def _space(settings: Settings) -> Finding:
    """Check the file systems of the database and of the images, which need not be those of the data folder."""
    folders = [folder.absolute() for folder in settings.folders]
    free = await free_bytes(folders)
    silent = ", ".join(str(folder) for folder in folders if str(folder) not in free)
    if silent:
        message = f"the file system of {silent} can't be read within {READ_WITHIN:g} s; mount it again"
        return Finding(subject="free space", ok=False, message=message)
    full = disk_full(free, settings.min_free_bytes)
    if full is not None:
        return Finding(subject="free space", ok=False, message=full.message)
    found = ", ".join(f"{folder}: {size / 2**30:.0f} GiB" for folder, size in free.items())
    return Finding(subject="free space", ok=True, message=found)


def _sqlite(path: Path) -> Finding:
    """Check the database read-only: a service may be using it, and only the service migrates it."""
    if not os.path.lexists(path):
        return Finding(subject="database", ok=True, message=NO_DATABASE)
    if not is_file(path):  # SQLite would wait for the writer of a pipe.
        return Finding(subject="database", ok=False, message=f"{path} is no file; move it away, or restore a backup")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if not tables:
                return Finding(subject="database", ok=True, message=NO_DATABASE)
            if not tables.issuperset({"alembic_version", "tasks"}):
                message = f"{path} belongs to another program; choose another WHITEBG_DATA_DIR"
                return Finding(subject="database", ok=False, message=message)
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            (tasks,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
    except (sqlite3.Error, TypeError) as error:
        # The second from a table of versions without a row.
        whole = isinstance(error, sqlite3.Error) and not damage(error)
        remedy = "check its permissions, and the free space of its disk" if whole else "restore a backup"
        return Finding(subject="database", ok=False, message=f"{path} can't be read: {error}; {remedy}")
    if state != "ok":
        return Finding(subject="database", ok=False, message=f"{path} is damaged ({state}); restore a backup")
    return _schema(str(path), version, tasks)


def _postgres(url: str) -> Finding:
    address = database_url(url)
    place = f"PostgreSQL database {address.database} on {address.host}"
    try:
        seen = look_at_postgres(url)
    except DatabaseUnavailable as error:
        message = f"{place} can't be used: {error}; see WHITEBG_DATABASE_URL"
        return Finding(subject="database", ok=False, message=message)
    problem = next(_problems_of(seen, place, str(address.username)), None)
    if problem is not None:
        return Finding(subject="database", ok=False, message=problem)
    if seen.schema is not None:
        return _schema(place, seen.schema, seen.tasks)
    return Finding(subject="database", ok=True, message=f"{place} is empty; the first start makes the tables")


def _problems_of(seen: Seen, place: str, user: str) -> Iterator[str]:
    if seen.read_only:
        yield f"{place} is read-only; name the primary server, and set its default_transaction_read_only to off"
    if (problem := encoding_problem(seen.encoding)) is not None:
        yield f"{place} {problem}"
    if seen.schema is None and seen.named_alike:
        yield f"{place} has tables {', '.join(seen.named_alike)}, but no version of them; name an empty database"
    if seen.forbidden:
        yield f"{place} has tables that user {user} may not read and write: {', '.join(seen.forbidden)}; grant it that"
    if seen.synchronous_commit in {"off", "local"}:
        yield f"{place} forgets commits that it has confirmed; set its synchronous_commit to on"
    if seen.schema is None and not seen.may_create:
        yield f"{place} is empty, and user {user} may make no tables; make it the database's owner"


def _schema(place: str, version: str, tasks: int) -> Finding:
    known = revisions()
    newest = known[-1]
    if version not in known:
        message = f"{place} was made by a newer version (schema {version}, known up to {newest}); update whitebg"
        return Finding(subject="database", ok=False, message=message)
    waiting = "" if version == newest else f", schema {version}: the next start brings it to {newest}"
    return Finding(subject="database", ok=True, message=f"{tasks} tasks{waiting}")


async def _blobs(settings: Settings) -> Finding:
    key, data = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(64 * 1024)
    try:
        new = await asyncio.to_thread(_is_new, settings)
        blobs = await asyncio.to_thread(open_blob_store, settings, create=new)
        try:
            await blobs.put(key, data, content_type="application/octet-stream")
            same = await blobs.get(key) == data
            await blobs.list(after="", limit=1)
        finally:
            await blobs.delete(key)
    except (BlobStoreUnavailable, BlobStoreConfigError) as error:
        return Finding(subject="images", ok=False, message=str(error))
    if not same:
        message = f"{blobs.where} gives back other bytes than were written; check the disk"
        return Finding(subject="images", ok=False, message=message)
    if (problem := await _binding(settings, blobs)) is not None:
        return Finding(subject="images", ok=False, message=problem)
    return Finding(subject="images", ok=True, message=f"{blobs.where} can be written, read and listed")


async def _binding(settings: Settings, blobs: BlobStore) -> str | None:
    """Return why images must not be deleted: they don't belong to this database, or that is unknown."""
    try:
        marker = await read_marker(blobs)
        bound, revision = await asyncio.to_thread(_bound, settings)
    except (BlobStoreUnavailable, ValueError) as error:
        return str(error)
    except (sqlite3.Error, DBAPIError, DatabaseUnavailable):
        return None  # Reported with the database.
    return describe(match(bound, marker, revision), blobs.where)


def _is_new(settings: Settings) -> bool:
    """Return whether nothing was stored yet: otherwise, a missing folder of images was unmounted."""
    try:
        _, revision = _bound(settings)
    except (sqlite3.Error, DBAPIError, DatabaseUnavailable):
        return False
    return revision == 0


def _bound(settings: Settings) -> tuple[ImageBinding | None, int]:
    if settings.database_url is not None:
        seen = look_at_postgres(settings.database_url.get_secret_value())
        return seen.image_binding, seen.revision
    return look_at_image_binding(settings.database) if is_file(settings.database) else (None, 0)


def _certificates(files: ServerFiles) -> Finding:
    try:
        files.read()
        name, end = min(files.expiry_times().items(), key=lambda item: item[1])
    except CertificateError as error:
        return Finding(subject="certificates", ok=False, message=str(error))
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        message = f"those of WHITEBG_{name.upper()} ended on {end:%Y-%m-%d}; replace them, no restart is needed"
        return Finding(subject="certificates", ok=False, message=message)
    soon = "" if left > RENEW_BEFORE else f", in {left.days} days; replace them, no restart is needed"
    message = f"those of WHITEBG_{name.upper()} are the first to end, on {end:%Y-%m-%d}{soon}"
    return Finding(subject="certificates", ok=True, message=message)


async def _engines(settings: EngineSettings, models: ModelFolder) -> AsyncIterator[Finding]:
    try:
        engines = Engines.from_settings(settings)
        await engines.start()
    except ModelUnusable as error:
        yield Finding(subject="neural", ok=False, message=str(error))
        return
    except (NoEngine, EngineError) as error:
        yield Finding(subject="engines", ok=False, message=str(error))
        return
    try:
        names = engines.available()
        yield Finding(subject="engines", ok=True, message=f"auto takes {names[0]}; available: {', '.join(names)}")
        for name in names:
            yield await _engine(engines.require(name))
        if Engine.NEURAL not in names:
            yield Finding(subject="neural", ok=True, message=offer(models.installed()))
        if Engine.GEMINI not in names:
            yield Finding(subject="gemini", ok=True, message="not set up; WHITEBG_GEMINI_API_KEY would do it")
    finally:
        await engines.close()


async def _engine(engine: ImageEngine) -> Finding:
    """Make a small picture with an engine; with a paid one, only check the access to it."""
    try:
        if isinstance(engine, CheckableEngine):
            message = await engine.check()
        else:
            picture = await engine.generate(_photo(), _SPEC, lambda _percent, _stage: None)
            message = f"made a picture of {picture.width} pixels in {len(picture.data)} bytes"
            if picture.engine is not engine.name and picture.findings:
                return Finding(subject=engine.name.value, ok=False, message=picture.findings[0].message)
    except EngineError as error:
        return Finding(subject=engine.name.value, ok=False, message=error.message)
    return Finding(subject=engine.name.value, ok=True, message=message)


def _photo() -> bytes:
    """Draw a photo of a product."""
    image = Image.new("RGB", (160, 120), "#d8dbe0")
    ImageDraw.Draw(image).ellipse((50, 25, 110, 95), fill="#b3261e")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
