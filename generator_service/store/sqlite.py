"""SQLite: one file, one writer, durable at every commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.domain.task import TaskState
from generator_service.store import image_records
from generator_service.store.backend import Backend
from generator_service.store.contract import LEASE
from generator_service.store.image_contract import ImageBinding
from generator_service.store.limits import Limits
from generator_service.store.migrate import migrate
from generator_service.store.queue_clock import SteadyClock
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.restored import Renewed, renew_log
from generator_service.store.sql import READERS, SqlTaskStore
from generator_service.store.tables import log_head, tasks
from generator_service.store.unavailable import DatabaseUnusable
from generator_service.store.writer import CommitListener

BUSY_TIMEOUT_MS = 3_000
"""How long a write waits for another process's lock. With a heartbeat every 5 s and a lease of 15 s, two such waits
still leave time to renew the lease."""
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
BEGIN_TO_WRITE = text("BEGIN IMMEDIATE")
"""Run by hand: a listener of the engine would be asked at every statement whether it cares."""
LAST_ID = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tasks'")


def damage(error: BaseException) -> str:
    """Return what SQLite found wrong with the file itself, if that is behind ``error``; else the empty string."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorname", "").startswith(_DAMAGED):
            return str(cause)
        cause = cause.__cause__
    return ""


def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    limits: Limits,
    retry: RetryPolicy,
    on_commit: CommitListener,
    waits: WaitPolicy | None = None,
) -> SqlTaskStore:
    """Open, and where necessary make or migrate, the database at ``path``. Blocks while it does.

    Raises:
        DatabaseUnusable: the file can't be opened, read or written.

    """
    migrating = _engine(path, pool_size=1)
    try:
        path.touch(mode=0o600)  # SQLite would make it readable by all; its other files inherit these permissions.
        migrate(migrating, alone=_begin_to_write)
    except (
        DBAPIError,
        sqlite3.Error,
        OSError,
        DatabaseUnavailable,
    ) as error:  # The second from the pragmas of a new connection.
        cause = damage(error) or (error.orig if isinstance(error, DBAPIError) else error)
        if isinstance(error, DatabaseUnavailable) and not damage(error):
            raise
        remedy = "restore a backup" if damage(error) else "check its permissions and the disk"
        if isinstance(error, DBAPIError) and not damage(error):
            remedy = "if it is another program's, choose another WHITEBG_DATA_DIR"
        raise DatabaseUnusable(f"the database {path} can't be used: {cause}; {remedy}") from error
    finally:
        migrating.dispose()
    writing = _engine(path, pool_size=1, must_exist=True)
    reading = _engine(path, pool_size=READERS, must_exist=True)
    event.listen(reading, "begin", _begin_to_read)
    return SqlTaskStore(
        writing,
        reading,
        backend=Backend(
            begin=_begin_to_write,
            new_ids=_new_ids,
            skip_ids=_skip_ids,
            queue_clock=SteadyClock(clock, _queue_start(writing, clock.now())),
        ),
        patience=timedelta(0),
        clock=clock,
        limits=limits,
        retry=retry,
        on_commit=on_commit,
        waits=waits or WaitPolicy(),
    )


def look_at_image_binding(path: Path) -> tuple[ImageBinding | None, int]:
    """Read the image store's binding and the head revision without changing anything. Blocks while it does."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=5))
    try:
        with engine.connect() as connection:
            return image_records.look(connection)
    finally:
        engine.dispose()


def renew_sqlite(path: Path) -> Renewed:
    """Give a restored file's log a new epoch. Blocks while it does. The caller holds the data folder's lock.

    Raises:
        FileNotFoundError: there is no file.

    """
    if not path.exists():
        raise FileNotFoundError(path)

    engine = _engine(path, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(BEGIN_TO_WRITE)
            return renew_log(connection, _skip_ids)
    finally:
        engine.dispose()


def _queue_start(database: Engine, wall: datetime) -> datetime:
    """Return where queue time goes on: it never runs backwards, though the wall clock may have been set back.

    If it was, leases of a former process are cut to the usual time: their expiry may be far ahead.
    """
    with database.begin() as connection:
        connection.execute(BEGIN_TO_WRITE)
        last: datetime = connection.execute(select(log_head.c.queue_time)).scalar_one()
        if last <= wall:
            return wall
        connection.execute(
            update(tasks)
            .where(tasks.c.state == TaskState.PROCESSING.value, tasks.c.lease_expires_at > last + LEASE)
            .values(lease_expires_at=last + LEASE)
        )
        return last


def _begin_to_write(connection: Connection) -> None:
    """Begin a write, which has exclusive access to the database."""
    connection.execute(BEGIN_TO_WRITE)


def _new_ids(connection: Connection, count: int) -> Sequence[int]:
    # The highest that was ever stored; the database itself notes it there.
    last = connection.execute(LAST_ID).scalar_one()
    return range(last + 1, last + 1 + count)


def _skip_ids(connection: Connection, last: int) -> None:
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'tasks' AND seq < :last"), {"last": last})
    connection.execute(
        text(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'tasks', :last"
            " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'tasks')"
        ),
        {"last": last},
    )


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _engine(path: Path, *, pool_size: int, must_exist: bool = False) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "do_connect")
    def look(*_: object) -> None:
        # SQLite would make an empty database in place of a lost one.
        if must_exist:
            _identity(path)

    @event.listens_for(engine, "checkout")
    def check(_connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        # A connection stays with the file that it has opened, even if another one has replaced it.
        if record.info["file"] != _identity(path):
            raise DisconnectionError("the database file was replaced")

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # The driver must not open transactions by itself: it would do so too late, and with the wrong BEGIN.
        driver: Any = connection
        driver.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_size_limit=67108864",
        ):
            driver.execute(f"PRAGMA {pragma}").close()
        record.info["file"] = _identity(path)

    return engine


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DatabaseUnavailable(f"the database file {path} is missing; put it back") from None
    return found.st_dev, found.st_ino
