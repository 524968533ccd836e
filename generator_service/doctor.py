"""``python -m generator_service doctor``: looks at everything that a service needs, and says what is wrong with it."""

from __future__ import annotations

import asyncio
import io
import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic.script import ScriptDirectory
from PIL import Image, ImageDraw

from generator_service.blobs.contract import BlobsAway, BlobsUnusable
from generator_service.data_dir import DataDirInUse, DataDirUnusable, data_dir_lock, make_data_dir
from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine, OutputFormat
from generator_service.engines.base import ImageEngine
from generator_service.engines.gemini import GeminiEngine
from generator_service.engines.registry import Engines, EngineSettings, NoEngine
from generator_service.engines.rembg import RembgUnusable
from generator_service.parts import open_blobs
from generator_service.settings import Settings
from generator_service.store.postgres import database_url, look_at_postgres
from generator_service.store.reconnect import StoreAway
from generator_service.tls import CertificateUnusable, ServerFiles

LEAST_FREE_BYTES = 1024**3
RENEW_BEFORE = timedelta(days=14)
_SPEC = PictureSpec(size_px=200, fill=0.85, format=OutputFormat.PNG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one thing."""

    subject: str
    ok: bool
    message: str


async def examine(settings: Settings, engines: EngineSettings) -> AsyncIterator[Finding]:
    """Yield what was found, thing by thing. Nothing that is there is changed; what is written is deleted again."""
    folder_will_do = True
    if settings.needs_data_dir:
        folder = await _folder(settings)
        yield folder
        folder_will_do = folder.ok
    if settings.database_url is not None:
        yield await asyncio.to_thread(_postgres, settings.database_url.get_secret_value())
    elif folder_will_do:
        yield await asyncio.to_thread(_sqlite, settings.database)
    if folder_will_do or settings.bucket is not None:
        yield await _blobs(settings)
    if settings.tls is not None:
        yield _certificates(settings.tls)
    async for finding in _engines(engines):
        yield finding


async def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    try:
        make_data_dir(folder)
        # With PostgreSQL, all processes share it, and nobody locks it.
        async with nullcontext() if settings.database_url else data_dir_lock(folder, timedelta(0)):
            free = shutil.disk_usage(folder).free
    except DataDirInUse:
        return Finding(subject="data folder", ok=True, message=f"{folder}, in use by a service that runs")
    except DataDirUnusable as error:
        return Finding(subject="data folder", ok=False, message=str(error))
    if free < LEAST_FREE_BYTES:
        message = f"{folder} has only {free / 2**20:.0f} MiB free; make room"
        return Finding(subject="data folder", ok=False, message=message)
    return Finding(subject="data folder", ok=True, message=f"{folder}, {free / 2**30:.0f} GiB free")


def _sqlite(path: Path) -> Finding:
    """Read it only: a service may be at work on it, and migrating is for the service to do."""
    if not path.exists():
        return Finding(subject="database", ok=True, message="there is none yet; the first start makes it")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            (tasks,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
    except (sqlite3.Error, TypeError) as error:
        return Finding(subject="database", ok=False, message=f"{path} can't be read: {error}; restore a backup")
    if state != "ok":
        return Finding(subject="database", ok=False, message=f"{path} is damaged ({state}); restore a backup")
    return _schema(str(path), version, tasks)


def _postgres(url: str) -> Finding:
    address = database_url(url)
    place = f"PostgreSQL database {address.database} on {address.host}"
    try:
        seen = look_at_postgres(url)
    except StoreAway as error:
        message = f"{place} can't be used: {error}; see WHITEBG_DATABASE_URL"
        return Finding(subject="database", ok=False, message=message)
    if seen.synchronous_commit in {"off", "local"}:
        message = f"{place} forgets commits that it has confirmed; set its synchronous_commit to on"
        return Finding(subject="database", ok=False, message=message)
    if seen.schema is not None:
        return _schema(place, seen.schema, seen.tasks)
    if not seen.may_create:
        message = f"{place} is empty, and user {address.username} may make no tables; make it the database's owner"
        return Finding(subject="database", ok=False, message=message)
    return Finding(subject="database", ok=True, message=f"{place} is empty; the first start makes the tables")


def _schema(place: str, version: str, tasks: int) -> Finding:
    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    newest = scripts.get_current_head()
    if version not in {script.revision for script in scripts.walk_revisions()}:
        message = f"{place} was made by a newer version (schema {version}, known up to {newest}); update whitebg"
        return Finding(subject="database", ok=False, message=message)
    waiting = "" if version == newest else f", schema {version}: the next start brings it to {newest}"
    return Finding(subject="database", ok=True, message=f"{tasks} tasks{waiting}")


async def _blobs(settings: Settings) -> Finding:
    key, data = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(64 * 1024)
    try:
        blobs = await asyncio.to_thread(open_blobs, settings)
        try:
            await blobs.put(key, data, content_type="application/octet-stream")
            same = await blobs.get(key) == data
            await blobs.list(after="", limit=1)
        finally:
            await blobs.delete(key)
    except (BlobsAway, BlobsUnusable) as error:
        return Finding(subject="images", ok=False, message=str(error))
    if not same:
        message = f"{blobs.where} gives back other bytes than were written; check the disk"
        return Finding(subject="images", ok=False, message=message)
    return Finding(subject="images", ok=True, message=f"{blobs.where} can be written, read and listed")


def _certificates(files: ServerFiles) -> Finding:
    try:
        files.read()
        name, end = min(files.ends().items(), key=lambda item: item[1])
    except CertificateUnusable as error:
        return Finding(subject="certificates", ok=False, message=str(error))
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        message = f"those of WHITEBG_{name.upper()} ended on {end:%Y-%m-%d}; replace them, no restart is needed"
        return Finding(subject="certificates", ok=False, message=message)
    soon = "" if left > RENEW_BEFORE else f", in {left.days} days; replace them, no restart is needed"
    message = f"those of WHITEBG_{name.upper()} are the first to end, on {end:%Y-%m-%d}{soon}"
    return Finding(subject="certificates", ok=True, message=message)


async def _engines(settings: EngineSettings) -> AsyncIterator[Finding]:
    try:
        engines = Engines.from_settings(settings)
        await engines.start()
    except RembgUnusable as error:
        yield Finding(subject="rembg", ok=False, message=str(error))
        return
    except (NoEngine, EngineError) as error:
        yield Finding(subject="engines", ok=False, message=str(error))
        return
    try:
        names = engines.available()
        yield Finding(subject="engines", ok=True, message=f"auto takes {names[0]}; there are {', '.join(names)}")
        for name in names:
            yield await _engine(engines.require(name))
        if Engine.GEMINI not in names:
            yield Finding(subject="gemini", ok=True, message="not set up; WHITEBG_GEMINI_API_KEY would do it")
    finally:
        await engines.close()


async def _engine(engine: ImageEngine) -> Finding:
    """Have an engine make a small picture; of a paid one, only its key and model are looked at."""
    try:
        if isinstance(engine, GeminiEngine):
            message = await engine.check()
        else:
            picture = await engine.generate(_photo(), _SPEC, lambda _percent, _stage: None)
            message = f"made a picture of {picture.width} pixels in {len(picture.data)} bytes"
    except EngineError as error:
        return Finding(subject=engine.name.value, ok=False, message=error.message)
    return Finding(subject=engine.name.value, ok=True, message=message)


def _photo() -> bytes:
    """Draw a product."""
    image = Image.new("RGB", (160, 120), "#d8dbe0")
    ImageDraw.Draw(image).ellipse((50, 25, 110, 95), fill="#b3261e")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
